//! `custom_jvp`: a function whose derivative the user writes.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::graph::Graph;
use crate::ops::{Kind, Tangent, again};
use crate::trace::{Tensor, at, bind, fail, leaves};
use crate::transform::{capture, instantiate, rebuilt, spread};
use crate::tree::Tree;

use super::stacked_rule;
use super::wrapped::Wrapped;

/// From the arguments and their tangents (zeros written out) to the tangents of the results.
type Rule = dyn Fn(&[Tensor], &[Tensor]) -> Vec<Tensor> + Send + Sync;

/// A function with a forward-mode derivative of its own. Operands: the function's parameters.
#[derive(Clone)]
pub struct CustomJvp {
    graph: Graph,
    rule: Arc<Rule>,
}

impl fmt::Debug for CustomJvp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomJvp").field("graph", &self.graph).finish_non_exhaustive()
    }
}

impl Wrapped for CustomJvp {
    const KIND: Kind = Kind::CustomJvp;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn push(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let dx: Vec<Tensor> = tangents.iter().zip(primals).map(|(dx, x)| instantiate(dx.clone(), x.ty())).collect();
        let outputs = again(self, primals);
        let found = at(None, || (self.rule)(primals, &dx));
        let same = found.len() == outputs.len() && found.iter().zip(&outputs).all(|(dy, y)| dy.ty() == y.ty());
        if !same {
            let list = |tensors: &[Tensor]| crate::ops::types(&super::types_of(tensors));
            let message = format!("custom_jvp: tangents {} expected of the rule, got {}", list(&outputs), list(&found));
            fail(Location::caller(), message);
            return (outputs.clone(), vec![None; outputs.len()]);
        }
        (outputs, found.into_iter().map(|dy| dy.dtype().is_float().then_some(dy)).collect())
    }

    fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let flags = batched.to_vec();
        let whole = |x: Vec<Tensor>| super::all_stacked(spread(&self.graph, &x, batched, size), size);
        let (outputs, captured) = capture(whole, &inputs.to_vec(), location);
        let Some((graph, inputs)) = captured else { return outputs };
        let rule = Arc::clone(&self.rule);
        let rule = move |x: &[Tensor], dx: &[Tensor]| {
            let count = x.len();
            let both = [flags.clone(), flags.clone()].concat();
            stacked_rule(&[x, dx].concat(), &both, size, location, |all| rule(&all[..count], &all[count..]))
        };
        again(&CustomJvp { graph, rule: Arc::new(rule) }, &inputs)
    }
}

/// The function `f` with the derivative that `rule` computes: from the arguments and their tangents to the results and
/// theirs, linear in the tangents. Reverse mode transposes it. Integers have tangents of zeros, and get back zeros.
///
/// ```
/// use tandem_compile::{Tensor, custom_jvp, grad, jit};
///
/// // log(1 + e^x), whose own derivative overflows for large x.
/// let softplus = custom_jvp(|x: Tensor| (x.exp() + 1.0).log(), |x, dx| ((x.exp() + 1.0).log(), x.logistic() * dx));
/// let slope: f64 = jit(grad(softplus)).call(1000.0)?;
/// assert_eq!(slope, 1.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
///
/// Neither closure may use tensors from outside: pass them as arguments.
#[track_caller]
pub fn custom_jvp<I, O>(f: impl Fn(I) -> O, rule: impl Fn(I, I) -> (O, O) + Send + Sync + 'static) -> impl Fn(I) -> O
where
    I: Tree + Clone + Send + Sync + 'static,
    O: Tree + Clone,
{
    let location = Location::caller();
    let rule = Arc::new(rule);
    move |x: I| {
        let (like, captured) = capture(&f, &x, location);
        let Some((graph, inputs)) = captured else { return like };
        if inputs.len() > leaves(&x).len() {
            fail(location, "custom_jvp: the function uses a tensor from outside; pass it as an argument");
            return like;
        }
        let (rule, structure) = (Arc::clone(&rule), x);
        let rule = move |x: &[Tensor], dx: &[Tensor]| {
            leaves(&rule(rebuilt(&structure, x.to_vec()), rebuilt(&structure, dx.to_vec())).1)
        };
        let op = CustomJvp { graph, rule: Arc::new(rule) };
        rebuilt(&like, bind(op, &inputs.iter().collect::<Vec<_>>(), location))
    }
}
