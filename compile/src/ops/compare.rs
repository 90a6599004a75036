//! Comparison, and choosing by it.

use std::panic::Location;

use crate::dtype::{DType, Element};
use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, each_dtype};
use crate::ops::binary::{Operator, operands};
use crate::ops::elementwise::{exact_integers, functions, per_element, spread_all, spread_beside, with_values};
use crate::ops::shape::broadcast_together;
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, constant_jvp, not_linear, types};
use crate::stablehlo::{Emitter, Operand, names, signature, tensor};
use crate::trace::{Tensor, bind1, fail, void};
use crate::transform::{instantiate, zeros};

functions! {
    /// An ordering relation, elementwise; every one but `Ne` is false where an operand is NaN.
    #[expect(missing_docs, reason = "the names are Rust's own")]
    Compare { Eq => "EQ", Ne => "NE", Lt => "LT", Le => "LE", Gt => "GT", Ge => "GE" }
}

impl Compare {
    fn holds<T: PartialOrd>(self, x: &T, y: &T) -> bool {
        match self {
            Compare::Eq => x == y,
            Compare::Ne => x != y,
            Compare::Lt => x < y,
            Compare::Le => x <= y,
            Compare::Gt => x > y,
            Compare::Ge => x >= y,
        }
    }
}

impl Primitive for Compare {
    fn kind(&self) -> Kind {
        self.kind_of()
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        let (x, y) = super::two(inputs)?;
        if x.dtype != y.dtype {
            return Err(format!("dtypes differ, {x} and {y}; convert one of them"));
        }
        match x.shape == y.shape {
            true => Ok(vec![x.with_dtype(DType::Bool)]),
            false => Err(format!("shapes do not broadcast, {x} and {y}")),
        }
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        fn all<T: PartialOrd>(x: &[T], y: &[T], holds: impl Fn(&T, &T) -> bool) -> Vec<bool> {
            x.iter().zip(y).map(|(x, y)| holds(x, y)).collect()
        }
        let [x, y] = [inputs[0], inputs[1]];
        let truth = match x.dtype().is_float() {
            true => all(&x.to_f64(), &y.to_f64(), |x, y| self.holds(x, y)),
            false => all(&exact_integers(x), &exact_integers(y), |x, y| self.holds(x, y)),
        };
        vec![with_values(x, truth)]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let kind = compare_type(inputs[0].ty.dtype);
        let direction = self.operation();
        let types = signature(inputs, outputs);
        vec![emitter.op(&format!("stablehlo.compare {direction}, {}, {kind} : {types}", names(inputs)))]
    }

    fn jvp(&self, primals: &[Tensor], _: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        constant_jvp(self, primals)
    }

    fn transpose(&self, inputs: &[Role], _: &[Tangent]) -> Vec<Tangent> {
        not_linear(self, inputs)
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        again(self, &spread_all(inputs, batched, size))
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        per_element(false, inputs, outputs)
    }
}

/// How StableHLO wants values of `dtype` compared.
pub(crate) fn compare_type(dtype: DType) -> &'static str {
    match dtype {
        DType::U32 | DType::Bool => "UNSIGNED",
        DType::I64 | DType::I32 => "SIGNED",
        _ => "FLOAT",
    }
}

/// Elementwise choice: the second operand where the first is true, else the third.
#[derive(Debug, Clone, Copy)]
pub struct Select;

impl Primitive for Select {
    fn kind(&self) -> Kind {
        Kind::Select
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [which, yes, no]
                if which.dtype == DType::Bool && yes == no && (which.ndim() == 0 || which.shape == yes.shape) =>
            {
                Ok(vec![yes.clone()])
            }
            _ => Err(format!("a bool and two operands of one type expected, got {}", types(inputs))),
        }
    }

    fn eval(&self, inputs: &[&HostArray], _: &[TensorType]) -> Vec<HostArray> {
        fn choose<T: Element>(which: &HostArray, yes: &[T], no: &HostArray) -> Vec<T> {
            let (which, no) = (which.values::<bool>().unwrap_or(&[]), no.values::<T>().unwrap_or(&[]));
            // A scalar chooses for all.
            let which = |i: usize| which.get(if which.len() == 1 { 0 } else { i }) == Some(&true);
            yes.iter().zip(no).enumerate().map(|(i, (&yes, &no))| if which(i) { yes } else { no }).collect()
        }
        let [which, yes, no] = [inputs[0], inputs[1], inputs[2]];
        vec![each_dtype!(yes.data(), v => with_values(yes, choose(which, v, no)))]
    }

    fn stablehlo(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        let which = tensor(&inputs[0].ty);
        vec![emitter.op(&format!("stablehlo.select {} : {which}, {}", names(inputs), tensor(&outputs[0])))]
    }

    fn jvp(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let y = again(self, primals);
        let [dyes, dno] = [1, 2].map(|i| instantiate(tangents[i].clone(), primals[i].ty()));
        let dy = again(self, &[primals[0].clone(), dyes, dno]);
        (y, dy.into_iter().map(Some).collect())
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let (Some(which), Some(ct)) = (inputs[0].known(), &cotangents[0]) else { return not_linear(self, inputs) };
        let choose = |yes: Tensor, no: Tensor| again(self, &[which.clone(), yes, no]).pop();
        let yes = if inputs[1].is_linear() { choose(ct.clone(), zeros(ct.ty())) } else { None };
        let no = if inputs[2].is_linear() { choose(zeros(ct.ty()), ct.clone()) } else { None };
        vec![None, yes, no]
    }

    fn batch(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let shape = &inputs[1].shape()[usize::from(batched[1])..];
        again(self, &spread_beside(inputs, batched, size, shape, [true, false, false]))
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        per_element(false, inputs, outputs)
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, other: impl Operator) -> Tensor {
                let location = Location::caller();
                let (x, y) = operands(self, &other.tensor(self), location);
                bind1(Compare::$kind, &[&x, &y], location)
            }
        )*}
    };
}

methods! {
    /// Where the two are equal, as bool.
    eq => Eq,
    /// Where the two differ (or either is NaN), as bool.
    ne => Ne,
    /// Where self is smaller, as bool.
    lt => Lt,
    /// Where self is not larger, as bool.
    le => Le,
    /// Where self is larger, as bool.
    gt => Gt,
    /// Where self is not smaller, as bool.
    ge => Ge,
}

impl Tensor {
    /// `yes` where self (bool) is true, else `no`; the three broadcast together.
    #[track_caller]
    pub fn select(&self, yes: impl Operator, no: impl Operator) -> Tensor {
        let location = Location::caller();
        // A number takes the dtype of the tensor on the other side; two numbers have none.
        let Some(beside) = yes.as_tensor().or(no.as_tensor()).cloned() else {
            fail(location, "select: both choices are plain numbers; make one a tensor, with its dtype");
            return void(self.ty().clone());
        };
        let (yes, no) = (yes.tensor(&beside), no.tensor(&beside));
        let (yes, no) = broadcast_together(&yes, &no, location);
        if self.ndim() == 0 {
            return bind1(Select, &[self, &yes, &no], location);
        }
        let (which, yes) = broadcast_together(self, &yes, location);
        let (_, no) = broadcast_together(&which, &no, location);
        bind1(Select, &[&which, &yes, &no], location)
    }

    /// True where NaN.
    #[track_caller]
    pub fn is_nan(&self) -> Tensor {
        self.ne(self)
    }
}
