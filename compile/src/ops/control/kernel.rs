//! `kernel`: a function with two lowerings, and a derivative that its author writes.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::graph::{Graph, TensorType};
use crate::native::Handler;
use crate::ops::{Kind, Tangent, again};
use crate::stablehlo::{Emitter, Operand};
use crate::trace::{Tensor, at, bind, fail, leaves};
use crate::transform::{capture, instantiate, rebuilt, spread};
use crate::tree::Tree;

use super::repeat::stacked;
use super::wrapped::Wrapped;
use super::{all_stacked, stacked_rule, types_of};

/// From the arguments, the results and the arguments' tangents (zeros written out) to the tangents of the results.
type Rule = dyn Fn(&[Tensor], &[Tensor], &[Tensor]) -> Vec<Tensor> + Send + Sync;

/// A function as a graph, which runs everywhere, and as a native kernel. Operands: the function's parameters.
#[derive(Clone)]
pub struct Kernel {
    graph: Graph,
    native: Option<Handler>,
    rule: Arc<Rule>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("native", &self.native).field("graph", &self.graph).finish_non_exhaustive()
    }
}

impl Wrapped for Kernel {
    const KIND: Kind = Kind::Kernel;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn described(&self) -> String {
        self.native.map(|native| native.name().to_owned()).unwrap_or_default()
    }

    fn lower(&self, emitter: &mut Emitter, inputs: &[Operand], outputs: &[TensorType]) -> Option<Vec<String>> {
        let native = self.native.filter(|_| emitter.is_native())?;
        Some(emitter.call(native, inputs, outputs))
    }

    fn push(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let dx: Vec<Tensor> = tangents.iter().zip(primals).map(|(dx, x)| instantiate(dx.clone(), x.ty())).collect();
        let outputs = again(self, primals);
        let found = at(None, || (self.rule)(primals, &outputs, &dx));
        let same = found.len() == outputs.len() && found.iter().zip(&outputs).all(|(dy, y)| dy.ty() == y.ty());
        if !same {
            let list = |tensors: &[Tensor]| crate::ops::types(&types_of(tensors));
            let message = format!("kernel: tangents {} expected of the rule, got {}", list(&outputs), list(&found));
            fail(Location::caller(), message);
            return (outputs.clone(), vec![None; outputs.len()]);
        }
        (outputs, found.into_iter().map(|dy| dy.dtype().is_float().then_some(dy)).collect())
    }

    fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        // A native kernel finds the problem along the first axis of everything.
        let all = vec![true; inputs.len()];
        let inputs = stacked(inputs, batched, &all, size);
        let whole = |x: Vec<Tensor>| all_stacked(spread(&self.graph, &x, &all, size), size);
        let (outputs, captured) = capture(whole, &inputs, location);
        let Some((graph, inputs)) = captured else { return outputs };
        let rule = Arc::clone(&self.rule);
        let rule = move |x: &[Tensor], y: &[Tensor], dx: &[Tensor]| {
            let (first, second) = (x.len(), x.len() + y.len());
            let operands = [x, y, dx].concat();
            stacked_rule(&operands, &vec![true; operands.len()], size, location, |all| {
                rule(&all[..first], &all[first..second], &all[second..])
            })
        };
        again(&Kernel { graph, native: self.native, rule: Arc::new(rule) }, &inputs)
    }
}

/// The function `f`, which on devices with native kernels is computed by `native`, with the derivative that `rule` computes:
/// from the arguments, the results and the arguments' tangents to the results' tangents, linear in the tangents.
///
/// The kernel takes the leaves of the arguments and gives those of the results, with further leading axes (the same for
/// all) for many problems at once. `f` may not use tensors from outside: pass them as arguments. Nor may `rule` hand tangents
/// to a kernel: its transpose is that of its graph, and its own rule is not asked.
///
/// ```
/// use tandem_compile::native::{Call, Handler, HostKernel};
/// use tandem_compile::{Tensor, grad, jit, kernel};
///
/// struct Cube;
///
/// impl HostKernel for Cube {
///     const NAME: &'static str = "example_cube";
///
///     fn run(call: &mut Call<'_>) -> Result<(), String> {
///         let (x, y) = (call.argument::<f64>(0)?, call.result::<f64>(0)?);
///         x.iter().zip(y).for_each(|(x, y)| *y = x * x * x);
///         Ok(())
///     }
/// }
///
/// let rule = |x: &Tensor, _: &Tensor, dx: &Tensor| 3.0 * x.square() * dx;
/// let cube = kernel(Some(Handler::of::<Cube>()), |x: Tensor| &x * &x * &x, rule);
/// let (y, slope): (f64, f64) = jit(|x: Tensor| (cube(x.clone()), grad(&cube)(x))).call(2.0)?;
/// assert_eq!((y, slope), (8.0, 12.0));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn kernel<I, O>(
    native: Option<Handler>,
    f: impl Fn(I) -> O,
    rule: impl Fn(&I, &O, &I) -> O + Send + Sync + 'static,
) -> impl Fn(I) -> O
where
    I: Tree + Clone + Send + Sync + 'static,
    O: Tree + Clone + Send + Sync + 'static,
{
    let location = Location::caller();
    let rule = Arc::new(rule);
    move |x: I| {
        let (like, captured) = capture(&f, &x, location);
        let Some((graph, inputs)) = captured else { return like };
        if inputs.len() > leaves(&x).len() {
            fail(location, "kernel: the function uses a tensor from outside; pass it as an argument");
            return like;
        }
        let (rule, arguments, results) = (Arc::clone(&rule), x, like.clone());
        let rule = move |x: &[Tensor], y: &[Tensor], dx: &[Tensor]| {
            let argument = |leaves: &[Tensor]| rebuilt(&arguments, leaves.to_vec());
            leaves(&rule(&argument(x), &rebuilt(&results, y.to_vec()), &argument(dx)))
        };
        let op = Kernel { graph, native, rule: Arc::new(rule) };
        rebuilt(&like, bind(op, &inputs.iter().collect::<Vec<_>>(), location))
    }
}
