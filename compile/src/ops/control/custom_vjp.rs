//! `custom_vjp`: a function whose reverse-mode derivative the user writes.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::graph::{Graph, TensorType};
use crate::host::HostArray;
use crate::ops::reduce::{Combine, Reduce};
use crate::ops::{Cost, Kind, Primitive, Role, Tangent, again, not_linear};
use crate::stablehlo::{Emitter, Operand};
use crate::trace::{Tensor, at, bind, fail, is_linearizing, leaves};
use crate::transform::{capture, instantiate, rebuilt, spread};
use crate::tree::Tree;

use super::unknown;
use super::wrapped::Wrapped;
use super::{all_stacked, stacked_rule, types_of};

/// From residuals and the results' cotangents (zeros written out) to the arguments' cotangents.
type Backward = dyn Fn(&[Tensor], &[Tensor]) -> Vec<Tensor> + Send + Sync;
/// From the arguments to the results, the residuals and the backward rule for them.
type Forward = dyn Fn(&[Tensor]) -> (Vec<Tensor>, Vec<Tensor>, Arc<Backward>) + Send + Sync;

/// A function with a reverse-mode derivative of its own. Operands: the function's parameters.
#[derive(Clone)]
pub struct CustomVjp {
    graph: Graph,
    forward: Arc<Forward>,
}

impl fmt::Debug for CustomVjp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomVjp").field("graph", &self.graph).finish_non_exhaustive()
    }
}

impl Wrapped for CustomVjp {
    const KIND: Kind = Kind::CustomVjp;

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn push(&self, primals: &[Tensor], tangents: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        let location = Location::caller();
        if !is_linearizing() {
            let message = "custom_vjp: no forward mode, only the reverse-mode rule is written; use custom_jvp for both";
            fail(location, message);
            return (again(self, primals), vec![None; self.graph.results().len()]);
        }
        let (outputs, residuals, backward) = at(None, || (self.forward)(primals));
        if types_of(&outputs) != self.graph.result_types() {
            let list = |types: &[TensorType]| crate::ops::types(types);
            let (wanted, found) = (list(&self.graph.result_types()), list(&types_of(&outputs)));
            fail(location, format!("custom_vjp: results {wanted} expected of the forward rule, got {found}"));
            return (again(self, primals), vec![None; self.graph.results().len()]);
        }
        let dx: Vec<Tensor> = tangents.iter().flatten().cloned().collect();
        let active = tangents.iter().map(Option::is_some).collect();
        let op = Pullback { backward, active, residuals: residuals.len(), results: self.graph.result_types() };
        let operands: Vec<&Tensor> = residuals.iter().chain(&dx).collect();
        let dy = bind(op, &operands, location);
        (outputs, dy.into_iter().map(|dy| dy.dtype().is_float().then_some(dy)).collect())
    }

    fn spread(&self, inputs: &[Tensor], batched: &[bool], size: usize) -> Vec<Tensor> {
        let location = Location::caller();
        let flags = batched.to_vec();
        let whole = |x: Vec<Tensor>| all_stacked(spread(&self.graph, &x, batched, size), size);
        let (outputs, captured) = capture(whole, &inputs.to_vec(), location);
        let Some((graph, inputs)) = captured else { return outputs };
        let forward = Arc::clone(&self.forward);
        let forward = move |x: &[Tensor]| stacked_forward(&forward, x, &flags, size, location);
        again(&CustomVjp { graph, forward: Arc::new(forward) }, &inputs)
    }
}

/// A forward rule on many problems at once, and its backward rule likewise: arguments that are the same for all
/// problems get the sum of their cotangents.
fn stacked_forward(
    forward: &Arc<Forward>,
    x: &[Tensor],
    batched: &[bool],
    size: usize,
    location: &'static Location<'static>,
) -> (Vec<Tensor>, Vec<Tensor>, Arc<Backward>) {
    let mut backward: Option<(Arc<Backward>, usize)> = None;
    let mut outputs = stacked_rule(x, batched, size, location, |x| {
        let (outputs, residuals, back) = forward(x);
        backward = Some((back, outputs.len()));
        [outputs, residuals].concat()
    });
    let Some((back, results)) = backward else { return (outputs, Vec::new(), Arc::new(|_, _| Vec::new())) };
    let residuals = outputs.split_off(results);
    let flags = batched.to_vec();
    let stacked = move |residuals: &[Tensor], cotangents: &[Tensor]| {
        let all = [residuals, cotangents].concat();
        let found = stacked_rule(&all, &vec![true; all.len()], size, location, |all| {
            let (residuals, cotangents) = all.split_at(residuals.len());
            back(residuals, cotangents)
        });
        let summed = |(ct, &batched): (Tensor, &bool)| match batched {
            true => ct,
            false => again(&Reduce { combine: Combine::Sum, axes: vec![0] }, &[ct]).swap_remove(0),
        };
        found.into_iter().zip(&flags).map(summed).collect()
    };
    (outputs, residuals, Arc::new(stacked))
}

/// The derivative of a function with a reverse rule: a linear map of which only the transpose is known. Operands: the
/// residuals, then the tangents of the active arguments. It stands in linear halves alone and never in a program.
#[derive(Clone)]
pub struct Pullback {
    backward: Arc<Backward>,
    active: Vec<bool>,
    residuals: usize,
    results: Vec<TensorType>,
}

impl fmt::Debug for Pullback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pullback").field("results", &self.results).finish_non_exhaustive()
    }
}

impl Primitive for Pullback {
    fn kind(&self) -> Kind {
        Kind::CustomVjp
    }

    fn attributes(&self) -> String {
        String::new()
    }

    fn subgraphs(&self) -> Vec<&Graph> {
        Vec::new()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs.len() == self.residuals + self.active.iter().filter(|active| **active).count() {
            true => Ok(self.results.clone()),
            false => Err(format!("{} operands given", inputs.len())),
        }
    }

    /// Reached by no program, since the rules that would bring it there report an error.
    fn eval(&self, _: &[&HostArray], outputs: &[TensorType]) -> Vec<HostArray> {
        unknown::eval(outputs)
    }

    fn stablehlo(&self, emitter: &mut Emitter, _: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        unknown::stablehlo(emitter, outputs)
    }

    fn jvp(&self, primals: &[Tensor], _: &[Tangent]) -> (Vec<Tensor>, Vec<Tangent>) {
        fail(Location::caller(), "custom_vjp: no forward mode, only the reverse-mode rule is written");
        (again(self, primals), vec![None; self.results.len()])
    }

    fn transpose(&self, inputs: &[Role], cotangents: &[Tangent]) -> Vec<Tangent> {
        let residuals: Option<Vec<Tensor>> = inputs[..self.residuals].iter().map(|r| r.known().cloned()).collect();
        let Some(residuals) = residuals else { return not_linear(self, inputs) };
        let cts: Vec<Tensor> =
            cotangents.iter().zip(&self.results).map(|(ct, ty)| instantiate(ct.clone(), ty)).collect();
        let found = at(None, || (self.backward)(&residuals, &cts));
        let live: Vec<Tangent> =
            found.into_iter().zip(&self.active).filter(|(_, active)| **active).map(|(ct, _)| Some(ct)).collect();
        let wanted = &inputs[self.residuals..];
        let same =
            live.len() == wanted.len() && live.iter().flatten().zip(wanted).all(|(ct, role)| ct.ty() == role.ty());
        if !same {
            let found: Vec<Tensor> = live.into_iter().flatten().collect();
            let wanted: Vec<TensorType> = wanted.iter().map(|role| role.ty().clone()).collect();
            let (wanted, found) = (crate::ops::types(&wanted), crate::ops::types(&types_of(&found)));
            let message = format!("custom_vjp: cotangents {wanted} expected of the backward rule, got {found}");
            fail(Location::caller(), message);
            return vec![None; inputs.len()];
        }
        [vec![None; self.residuals], live].concat()
    }

    fn batch(&self, inputs: &[Tensor], _: &[bool], _: usize) -> Vec<Tensor> {
        fail(Location::caller(), "custom_vjp: a linear half cannot be mapped; map the function, then differentiate");
        again(self, inputs)
    }

    fn cost(&self, _: &[TensorType], _: &[TensorType]) -> Cost {
        Cost::default()
    }
}

/// The function `f` with a reverse-mode derivative of the user's: `forward` gives the results and whatever `backward`
/// needs besides the results' cotangents to compute those of the arguments. There is no forward mode.
///
/// ```
/// use tandem_compile::{Tensor, custom_vjp, grad, jit};
///
/// // The identity, whose gradient is kept within [-1, 1].
/// let clipped = custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct.maximum(-1.0).minimum(1.0));
/// let slope: f64 = jit(grad(move |x: Tensor| clipped(x) * 5.0)).call(2.0)?;
/// assert_eq!(slope, 1.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
///
/// No closure may use tensors from outside: pass them as arguments.
#[track_caller]
pub fn custom_vjp<I, O, R>(
    f: impl Fn(I) -> O,
    forward: impl Fn(I) -> (O, R) + Send + Sync + 'static,
    backward: impl Fn(R, O) -> I + Send + Sync + 'static,
) -> impl Fn(I) -> O
where
    I: Tree + Clone + Send + Sync + 'static,
    O: Tree + Clone + Send + Sync + 'static,
    R: Tree + Clone + Send + Sync + 'static,
{
    let location = Location::caller();
    let (forward, backward) = (Arc::new(forward), Arc::new(backward));
    move |x: I| {
        let (like, captured) = capture(&f, &x, location);
        let Some((graph, inputs)) = captured else { return like };
        if inputs.len() > leaves(&x).len() {
            fail(location, "custom_vjp: the function uses a tensor from outside; pass it as an argument");
            return like;
        }
        let (forward, backward, structure) = (Arc::clone(&forward), Arc::clone(&backward), x);
        let flat = move |x: &[Tensor]| {
            let (y, residuals) = forward(rebuilt(&structure, x.to_vec()));
            let (outputs, leaves_of) = (leaves(&y), leaves(&residuals));
            let backward = Arc::clone(&backward);
            let back = move |r: &[Tensor], ct: &[Tensor]| {
                leaves(&backward(rebuilt(&residuals, r.to_vec()), rebuilt(&y, ct.to_vec())))
            };
            (outputs, leaves_of, Arc::new(back) as Arc<Backward>)
        };
        let op = CustomVjp { graph, forward: Arc::new(flat) };
        rebuilt(&like, bind(op, &inputs.iter().collect::<Vec<_>>(), location))
    }
}
