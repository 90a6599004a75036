//! A function that is judged, and what it is given.

use std::rc::Rc;

use tandem_compile::{DType, Tensor, TensorType, Tree};

/// What is made of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transform {
    /// The function itself.
    Value,
    /// The gradient, by all real arguments, of a weighted sum of its real results.
    Grad,
    /// The tangents of its real results.
    Jvp,
    /// The function of three times all arguments.
    Vmap,
    /// The function of three times its first argument alone.
    VmapFirst,
    /// The gradient of three times all arguments.
    VmapGrad,
    /// The gradient of a weighted sum of the gradient: reverse mode over reverse mode.
    GradGrad,
    /// The second derivatives, by forward mode over reverse mode, of the weighted sum by the first real argument.
    Hessian,
}

const ALL: [Transform; 8] = [
    Transform::Value,
    Transform::Grad,
    Transform::Jvp,
    Transform::Vmap,
    Transform::VmapFirst,
    Transform::VmapGrad,
    Transform::GradGrad,
    Transform::Hessian,
];

/// The largest argument by which second derivatives are taken.
const SMALL: usize = 12;

/// What an argument's elements are.
#[derive(Clone, Debug)]
pub enum Values {
    /// Drawn evenly from a range.
    Within(f64, f64),
    /// These, row by row.
    Given(Vec<f64>),
    /// Any bits.
    Any,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub struct Argument {
    pub ty: TensorType,
    pub values: Values,
}

/// Real numbers in [-2, 2).
pub fn real<const N: usize>(shape: [usize; N]) -> Argument {
    within(shape, -2.0, 2.0)
}

/// Real numbers in [low, high).
pub fn within<const N: usize>(shape: [usize; N], low: f64, high: f64) -> Argument {
    Argument { ty: TensorType::new(DType::F64, shape), values: Values::Within(low, high) }
}

/// These real numbers.
pub fn given<const N: usize>(shape: [usize; N], values: &[f64]) -> Argument {
    Argument { ty: TensorType::new(DType::F64, shape), values: Values::Given(values.to_vec()) }
}

/// These whole numbers.
pub fn whole<const N: usize>(shape: [usize; N], values: &[i32]) -> Argument {
    let values = values.iter().map(|&value| f64::from(value)).collect();
    Argument { ty: TensorType::new(DType::I32, shape), values: Values::Given(values) }
}

/// From the arguments to the results.
type Body = Rc<dyn Fn(&[Tensor]) -> Vec<Tensor>>;

/// A function with a name, by which the judge knows its own.
#[derive(Clone)]
pub struct Function {
    pub name: &'static str,
    pub arguments: Vec<Argument>,
    pub f: Body,
    without: Vec<Transform>,
}

impl Function {
    pub fn new<O: Tree>(
        name: &'static str,
        arguments: impl Into<Vec<Argument>>,
        f: impl Fn(&[Tensor]) -> O + 'static,
    ) -> Self {
        let f = move |x: &[Tensor]| {
            let mut leaves = Vec::new();
            f(x).collect(&mut leaves);
            leaves
        };
        Self { name, arguments: arguments.into(), f: Rc::new(f), without: Vec::new() }
    }

    /// Leaves out transforms that the function does not have.
    pub fn without(mut self, transforms: &[Transform]) -> Self {
        self.without.extend(transforms);
        self
    }

    /// Leaves out all derivatives.
    pub fn values_alone(self) -> Self {
        self.without(&[Transform::Grad, Transform::Jvp, Transform::VmapGrad, Transform::GradGrad, Transform::Hessian])
    }

    pub fn transforms(&self) -> Vec<Transform> {
        let first_real = self.arguments.iter().find(|a| a.ty.dtype.is_float());
        let small = first_real.is_some_and(|a| a.ty.len() <= SMALL);
        let fits = |transform: &Transform| match transform {
            Transform::VmapFirst => self.arguments.len() > 1,
            Transform::Hessian => small,
            _ => true,
        };
        ALL.into_iter().filter(|t| fits(t) && !self.without.contains(t)).collect()
    }
}
