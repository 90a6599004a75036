//! Tracing: running a Rust function on [`Tensor`]s that record what is done to them.
//!
//! Each thread keeps a stack of scopes. [`trace`] opens a root scope; a loop's body or a conditional's branch opens
//! a region inside it. An operation is appended to the innermost scope, and a tensor of an outer scope that is used
//! there is captured: it becomes a further parameter of the region and a further operand of the loop.
//!
//! Operators cannot return `Result`. The first ill-typed operation of a trace is kept with the line that wrote it,
//! everything computed from it is *void* (a tensor that stands for nothing), and `trace` returns the error.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Graph, TensorType, ValueId};
use crate::ops::Primitive;
use crate::tree::Tree;

/// A traced value: a place in the graph under construction, with its element type and shape.
#[derive(Debug, Clone)]
pub struct Tensor {
    ty: Arc<TensorType>,
    place: Option<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    scope: u64,
    value: ValueId,
}

impl Tensor {
    /// Element type and shape.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// The size of every axis.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.ty.ndim()
    }

    /// The size of `axis`; an axis that does not exist is an error of the trace and has size 1.
    #[track_caller]
    pub fn dim(&self, axis: usize) -> usize {
        match self.ty.shape.get(axis) {
            Some(&size) => size,
            None => {
                let message = format!("dim: axis {axis} does not exist in {}", self.ty);
                fail(Location::caller(), message);
                1
            }
        }
    }

    fn void(ty: TensorType) -> Self {
        Self { ty: Arc::new(ty), place: None }
    }
}

/// A graph under construction.
struct Scope {
    id: u64,
    graph: Graph,
    /// For a region: the tensors of outer scopes that it uses, in the order of the parameters they became.
    captures: Vec<Tensor>,
    /// Which parameter a captured tensor became.
    captured: HashMap<Place, ValueId>,
    kind: Kind,
}

enum Kind {
    /// A trace, with its first error.
    Root(Root),
    /// The body of a loop, a branch, a function to be transformed.
    Region,
    /// The linear half of a function that is being linearized: it holds only what depends on its own parameters, and
    /// everything else that is bound while it is open goes to the scope around it.
    Linear,
}

#[derive(Default)]
struct Root {
    error: Option<Error>,
}

#[derive(Default)]
struct Tracer {
    scopes: Vec<Scope>,
}

/// Unique in the process, so that a tensor which was sent to another thread is not taken for one of its own.
static NEXT_SCOPE: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static TRACER: RefCell<Tracer> = RefCell::default();
    /// While a transform applies the rules of a node: the line that wrote the node.
    static REPLAYED: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Runs `f` with everything it binds laid to the line `location`; with `None`, to the lines that bind it.
pub(crate) fn at<R>(location: Option<&'static Location<'static>>, f: impl FnOnce() -> R) -> R {
    /// Puts the former line back also when `f` panics.
    struct Restore(Option<&'static Location<'static>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            REPLAYED.set(self.0);
        }
    }
    let _restore = Restore(REPLAYED.replace(location));
    f()
}

/// Whether a function is being linearized: what depends on its tangents is recorded apart from the rest.
pub(crate) fn is_linearizing() -> bool {
    TRACER.with_borrow(|tracer| tracer.scopes.last().is_some_and(|scope| matches!(scope.kind, Kind::Linear)))
}

impl Tracer {
    fn open(&mut self, kind: Kind, params: &[TensorType]) -> Vec<Tensor> {
        let id = NEXT_SCOPE.fetch_add(1, Ordering::Relaxed);
        let mut scope = Scope { id, graph: Graph::default(), captures: Vec::new(), captured: HashMap::new(), kind };
        let tensors = params
            .iter()
            .map(|ty| {
                let value = scope.graph.add_param(ty.clone());
                Tensor { ty: Arc::new(ty.clone()), place: Some(Place { scope: scope.id, value }) }
            })
            .collect();
        self.scopes.push(scope);
        tensors
    }

    /// The value that stands for `tensor` in the scope at `depth`, captured through every region in between.
    fn value_in(&mut self, depth: usize, tensor: &Tensor) -> Option<ValueId> {
        let place = tensor.place?;
        let scope = &self.scopes[depth];
        if place.scope == scope.id {
            return Some(place.value);
        }
        if let Some(value) = scope.captured.get(&place) {
            return Some(*value);
        }
        if matches!(scope.kind, Kind::Root(_)) {
            return None;
        }
        self.value_in(depth - 1, tensor)?;
        let scope = &mut self.scopes[depth];
        let value = scope.graph.add_param((*tensor.ty).clone());
        scope.captures.push(tensor.clone());
        scope.captured.insert(place, value);
        Some(value)
    }

    /// The scope that an operation on `inputs` goes to: the innermost that is not linear, or a linear one that an
    /// input belongs to.
    fn depth_for(&self, inputs: &[&Tensor]) -> Option<usize> {
        let belongs = |scope: &Scope| inputs.iter().any(|t| t.place.is_some_and(|place| place.scope == scope.id));
        self.scopes.iter().rposition(|scope| !matches!(scope.kind, Kind::Linear) || belongs(scope))
    }

    fn fail(&mut self, location: &Location<'_>, message: String) {
        let root = self.scopes.iter_mut().rev().find_map(|scope| match &mut scope.kind {
            Kind::Root(root) => Some(root),
            _ => None,
        });
        if let Some(root) = root {
            root.error.get_or_insert_with(|| Error::trace(location, message));
        }
    }
}

/// Keeps the first error of the current trace.
pub(crate) fn fail(location: &'static Location<'static>, message: impl Into<String>) {
    let location = REPLAYED.get().unwrap_or(location);
    TRACER.with_borrow_mut(|tracer| tracer.fail(location, message.into()));
}

/// Makes the current trace fail with `message` at the caller's line: for a traced function that finds its arguments
/// unusable. The tensor stands for the result that there is not.
#[track_caller]
pub fn refuse(message: impl Into<String>) -> Tensor {
    fail(Location::caller(), message);
    Tensor::void(TensorType::scalar(DType::F32))
}

/// A tensor that stands for nothing, after an error; `like` is the best guess at the type it would have had.
pub(crate) fn void(like: TensorType) -> Tensor {
    Tensor::void(like)
}

/// Whether one of the tensors depends on a tangent of the function that is being linearized.
pub(crate) fn depends_on_tangents(tensors: &[Tensor]) -> bool {
    TRACER.with_borrow(|tracer| {
        let innermost = tracer.scopes.last().map(|scope| scope.id);
        tensors.iter().any(|t| t.place.is_some_and(|place| Some(place.scope) == innermost))
    })
}

/// Appends `op` applied to `inputs` to the innermost scope.
pub(crate) fn bind(op: impl Primitive, inputs: &[&Tensor], location: &'static Location<'static>) -> Vec<Tensor> {
    bind_shared(&(Arc::new(op) as Arc<dyn Primitive>), inputs, location)
}

/// [`bind`] for a primitive that a graph holds already.
pub(crate) fn bind_shared(
    op: &Arc<dyn Primitive>,
    inputs: &[&Tensor],
    location: &'static Location<'static>,
) -> Vec<Tensor> {
    let location = REPLAYED.get().unwrap_or(location);
    TRACER.with_borrow_mut(|tracer| {
        if inputs.iter().any(|t| t.place.is_none()) {
            // No news where an error made the operand void: that error is kept already.
            tracer.fail(location, format!("{}: an operand was made outside of any trace; make it inside", op.kind()));
        }
        let types: Vec<TensorType> = inputs.iter().map(|t| (*t.ty).clone()).collect();
        let output_types = match op.infer(&types) {
            Ok(output_types) => output_types,
            Err(message) => {
                tracer.fail(location, format!("{}: {message}", op.kind()));
                let guess = types.first().cloned().unwrap_or(TensorType::scalar(DType::F32));
                return vec![Tensor::void(guess)];
            }
        };
        let Some(depth) = tracer.depth_for(inputs) else {
            return output_types.into_iter().map(Tensor::void).collect();
        };
        let values: Option<Vec<ValueId>> = inputs.iter().map(|t| tracer.value_in(depth, t)).collect();
        let Some(values) = values else {
            let name = op.kind();
            tracer.fail(
                location,
                format!(
                    "{name}: an operand belongs to another trace, or to a loop's body or a branch that has ended; \
                     pass it as an argument, or return it from there"
                ),
            );
            return output_types.into_iter().map(Tensor::void).collect();
        };
        let scope = &mut tracer.scopes[depth];
        let outputs = scope.graph.add_node(Arc::clone(op), values, output_types.clone(), location);
        let place = |value| Some(Place { scope: scope.id, value });
        output_types.into_iter().zip(outputs).map(|(ty, v)| Tensor { ty: Arc::new(ty), place: place(v) }).collect()
    })
}

/// [`bind`] for a primitive with one output.
pub(crate) fn bind1(op: impl Primitive, inputs: &[&Tensor], location: &'static Location<'static>) -> Tensor {
    let mut outputs = bind(op, inputs, location);
    outputs.swap_remove(0)
}

/// Closes the innermost scope also when the traced function panics.
struct Open;

impl Open {
    fn close(self) -> Option<Scope> {
        std::mem::forget(self);
        TRACER.with_borrow_mut(|tracer| tracer.scopes.pop())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        TRACER.with_borrow_mut(|tracer| tracer.scopes.pop());
    }
}

/// Traces `f` on arguments of the given types into a [`Graph`].
///
/// # Errors
/// The first ill-typed operation, with its file and line; or arguments that do not fit `f`'s parameters.
///
/// ```
/// use tandem_compile::{DType, Tensor, TensorType, trace};
///
/// let x = TensorType::new(DType::F32, [3]);
/// let graph = trace(|x: Tensor| &x * 2.0 + 1.0, &[x])?;
/// assert_eq!(graph.result_types()[0].to_string(), "f32[3]");
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn trace<I: Tree, O: Tree>(f: impl FnOnce(I) -> O, arguments: &[TensorType]) -> Result<Graph> {
    let location = Location::caller();
    let tensors = TRACER.with_borrow_mut(|tracer| tracer.open(Kind::Root(Root::default()), arguments));
    let open = Open;
    let (inputs, rest) = build(tensors);
    let Some(inputs) = inputs.filter(|_| rest == 0) else {
        return Err(Error::trace(
            location,
            format!("the function takes other arguments than the {} given ({})", arguments.len(), list(arguments)),
        ));
    };
    let values = results(&f(inputs));
    let Some(mut scope) = open.close() else {
        return Err(Error::trace(location, "the trace was closed while it ran"));
    };
    if let Kind::Root(Root { error: Some(error) }) = scope.kind {
        return Err(error);
    }
    let Some(values) = values else {
        return Err(Error::trace(
            location,
            "a result was made outside of this trace, or in a loop's body or a branch that has ended; \
             make it inside, or return it from there",
        ));
    };
    scope.graph.set_results(values);
    Ok(scope.graph)
}

/// A traced region: a graph whose parameters are its own arguments, then what it captured.
pub(crate) struct Region {
    pub graph: Graph,
    /// Tensors of the enclosing scopes, in the order of the graph's trailing parameters.
    pub captures: Vec<Tensor>,
}

/// Traces `f` as a region of the current scope. Beside what `f` returned (whose tensors belong to the region) comes
/// the region itself, or `None` after an error.
pub(crate) fn region<O: Tree>(
    arguments: &[TensorType],
    location: &'static Location<'static>,
    f: impl FnOnce(Vec<Tensor>) -> O,
) -> (O, Option<Region>) {
    scope(Kind::Region, arguments, location, f)
}

/// [`region`] for the linear half of a function: its arguments are tangents, and what `f` binds that depends on none
/// of them goes to the current scope. In its graph, each node is linear in those of its operands that are not
/// captured.
pub(crate) fn linear_region<O: Tree>(
    tangents: &[TensorType],
    location: &'static Location<'static>,
    f: impl FnOnce(Vec<Tensor>) -> O,
) -> (O, Option<Region>) {
    scope(Kind::Linear, tangents, location, f)
}

fn scope<O: Tree>(
    kind: Kind,
    arguments: &[TensorType],
    location: &'static Location<'static>,
    f: impl FnOnce(Vec<Tensor>) -> O,
) -> (O, Option<Region>) {
    if TRACER.with_borrow(|tracer| tracer.scopes.is_empty()) {
        return (f(arguments.iter().cloned().map(Tensor::void).collect()), None);
    }
    let tensors = TRACER.with_borrow_mut(|tracer| tracer.open(kind, arguments));
    let open = Open;
    let output = f(tensors);
    let values = results(&output);
    let scope = open.close();
    let Some((mut scope, values)) = scope.zip(values) else {
        // A void result: either its error is kept already, or it was made outside of any trace.
        fail(location, "a region returns a tensor that does not belong to this trace; make it inside");
        return (output, None);
    };
    scope.graph.set_results(values);
    (output, Some(Region { graph: scope.graph, captures: scope.captures }))
}

/// The values that stand for the tensors of `output` in the innermost scope.
fn results(output: &impl Tree) -> Option<Vec<ValueId>> {
    TRACER.with_borrow_mut(|tracer| {
        let depth = tracer.scopes.len().checked_sub(1)?;
        leaves(output).iter().map(|t| tracer.value_in(depth, t)).collect()
    })
}

/// The tensors in `tree`, in order.
pub(crate) fn leaves(tree: &impl Tree) -> Vec<Tensor> {
    let mut leaves = Vec::new();
    tree.collect(&mut leaves);
    leaves
}

/// A tree from its tensors (`None` when they are too few), and how many were left over.
pub(crate) fn build<T: Tree>(leaves: Vec<Tensor>) -> (Option<T>, usize) {
    let mut leaves = leaves.into_iter();
    let tree = T::build(&mut leaves);
    let rest = leaves.count();
    (tree, rest)
}

fn list(types: &[TensorType]) -> String {
    types.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ")
}
