//! The printer: a [`Graph`] as the text of a StableHLO module.
//!
//! Each primitive writes its own operations (its `stablehlo` rule); this file knows how names, types, constants,
//! regions and source locations are spelled.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::host::{HostArray, HostData};
use crate::native::{Handler, Lowering};

/// An operand of an operation: its name in the module and its type.
#[derive(Debug, Clone)]
pub struct Operand {
    /// `%12`, `%arg0` or `%7#1`.
    pub name: String,
    /// Element type and shape.
    pub ty: TensorType,
}

/// A StableHLO module, and the native kernels that it calls.
#[derive(Debug, Clone)]
pub struct Module {
    /// The module's text.
    pub text: String,
    /// What has to be registered with the plugin before the text is compiled, each once.
    pub kernels: Vec<Handler>,
}

/// The module whose `@main` computes `graph`. `donated[i]` lets the compiler reuse argument `i`'s memory.
pub fn module(graph: &Graph, name: &str, donated: &[bool], lowering: Lowering) -> Module {
    let mut emitter = Emitter {
        out: String::new(),
        depth: 2,
        next: 0,
        location: Location::caller(),
        lowering,
        kernels: Vec::new(),
        windows: HashSet::new(),
    };
    let params: Vec<String> = (0..graph.params().len()).map(|i| format!("%arg{i}")).collect();
    let results = emitter.graph(graph, &params);
    let arguments: Vec<String> = graph
        .param_types()
        .iter()
        .enumerate()
        .map(|(i, ty)| {
            let donor = if donated.get(i) == Some(&true) { " {jax.buffer_donor = true}" } else { "" };
            format!("%arg{i}: {}{donor}", tensor(ty))
        })
        .collect();
    let types = tensors(&graph.result_types());
    let body = emitter.out;
    let returned = if results.is_empty() { String::new() } else { format!(" {} : {types}", results.join(", ")) };
    let arguments = arguments.join(", ");
    let text = format!(
        "module @{name} {{\n  func.func public @main({arguments}) -> ({types}) {{\n{body}    return{returned}\n  }}\n}}\n"
    );
    Module { text, kernels: emitter.kernels }
}

/// Writes operations, naming each value once, with the source location of the node being lowered.
#[derive(Debug)]
pub struct Emitter {
    out: String,
    depth: usize,
    next: usize,
    location: &'static Location<'static>,
    lowering: Lowering,
    kernels: Vec<Handler>,
    /// Values that are windows at computed positions, or such a window in another shape.
    windows: HashSet<String>,
}

impl Emitter {
    /// Remembers that `name` is a window at a computed position.
    pub fn is_window(&mut self, name: &str) {
        self.windows.insert(name.to_owned());
    }

    /// Remembers that `name` has the elements of `of`, in another shape.
    pub fn reshapes(&mut self, name: &str, of: &Operand) {
        if self.windows.contains(&of.name) {
            self.is_window(name);
        }
    }

    /// The operand that another window is taken from, behind a barrier where it is a window itself: XLA makes one of the two,
    /// at the sum of the positions, and neither is moved inside its array any more.
    pub fn apart(&mut self, x: &Operand) -> Operand {
        match self.windows.contains(&x.name) {
            true => {
                let name = self.op(&format!("stablehlo.optimization_barrier {} : {}", x.name, tensor(&x.ty)));
                Operand { name, ty: x.ty.clone() }
            }
            false => x.clone(),
        }
    }

    /// Whether the program may call native kernels.
    pub fn is_native(&self) -> bool {
        self.lowering == Lowering::Native
    }

    /// Writes a call of a native kernel and returns the names of its results. All arrays are row-major.
    pub fn call(&mut self, kernel: Handler, inputs: &[Operand], outputs: &[TensorType]) -> Vec<String> {
        if !self.kernels.iter().any(|known| known.name() == kernel.name()) {
            self.kernels.push(kernel);
        }
        let layout = |ty: &TensorType| {
            let order: Vec<usize> = (0..ty.ndim()).rev().collect();
            match ty.ndim() {
                0 => "dense<> : tensor<0xindex>".to_owned(),
                ndim => format!("dense<{order:?}> : tensor<{ndim}xindex>"),
            }
        };
        let layouts = |types: &mut dyn Iterator<Item = &TensorType>| types.map(layout).collect::<Vec<_>>().join(", ");
        self.ops(
            outputs.len(),
            &format!(
                "stablehlo.custom_call @{}({}) {{api_version = 4 : i32, backend_config = {{}}, \
                 operand_layouts = [{}], result_layouts = [{}]}} : {}",
                kernel.name(),
                names(inputs),
                layouts(&mut inputs.iter().map(|x| &x.ty)),
                layouts(&mut outputs.iter()),
                signature(inputs, outputs),
            ),
        )
    }

    /// Writes an operation with one result and returns the result's name.
    pub fn op(&mut self, operation: &str) -> String {
        let name = self.fresh();
        self.line(&format!("{name} = {operation}"));
        name
    }

    /// Writes an operation with any number of results and returns their names.
    pub fn ops(&mut self, results: usize, operation: &str) -> Vec<String> {
        match results {
            0 => {
                self.line(operation);
                Vec::new()
            }
            1 => vec![self.op(operation)],
            _ => {
                let name = self.fresh();
                self.line(&format!("{name}:{results} = {operation}"));
                (0..results).map(|i| format!("{name}#{i}")).collect()
            }
        }
    }

    /// Writes a constant and returns its name.
    pub fn constant(&mut self, value: &HostArray) -> String {
        self.op(&format!("stablehlo.constant dense<{}> : {}", literal(value), tensor(&value.ty())))
    }

    /// Writes an array of zeros and returns its name.
    pub fn zeros(&mut self, ty: &TensorType) -> String {
        let zero = self.constant(&HostArray::zeros(&TensorType::scalar(ty.dtype)));
        match ty.shape.is_empty() {
            true => zero,
            false => {
                let scalar = tensor(&TensorType::scalar(ty.dtype));
                self.op(&format!("stablehlo.broadcast_in_dim {zero}, dims = [] : ({scalar}) -> {}", tensor(ty)))
            }
        }
    }

    /// A scalar repeated so that it has the type `ty`; an array of that type as it is.
    pub fn spread(&mut self, operand: &Operand, ty: &TensorType) -> String {
        match operand.ty.shape == ty.shape {
            true => operand.name.clone(),
            false => {
                let types = format!("({}) -> {}", tensor(&operand.ty), tensor(ty));
                self.op(&format!("stablehlo.broadcast_in_dim {}, dims = [] : {types}", operand.name))
            }
        }
    }

    /// Writes the operations of `graph` on `params` and returns the names of its results.
    pub fn inline(&mut self, graph: &Graph, params: &[String]) -> Vec<String> {
        let location = self.location;
        let results = self.graph(graph, params);
        self.location = location;
        results
    }

    /// A name not used before.
    pub fn fresh(&mut self) -> String {
        self.next += 1;
        format!("%{}", self.next - 1)
    }

    /// The text of a region `{ ... }` that runs `graph` on `params`, closed by `stablehlo.return`.
    pub fn region(&mut self, graph: &Graph, params: &[String]) -> String {
        self.block("", |emitter| (emitter.inline(graph, params), graph.result_types()))
    }

    /// The text of a region whose operations `write` writes; `write` returns the region's results and their types.
    /// `header` is the block's own argument list (`^bb0(...):`) or empty.
    pub fn block(&mut self, header: &str, write: impl FnOnce(&mut Self) -> (Vec<String>, Vec<TensorType>)) -> String {
        let outer = std::mem::take(&mut self.out);
        if !header.is_empty() {
            let _ = writeln!(self.out, "{}{header}", "  ".repeat(self.depth));
        }
        self.depth += 1;
        let (results, types) = write(self);
        self.line(&match results.is_empty() {
            true => "stablehlo.return".to_owned(),
            false => format!("stablehlo.return {} : {}", results.join(", "), tensors(&types)),
        });
        self.depth -= 1;
        let inner = std::mem::replace(&mut self.out, outer);
        format!("{{\n{inner}{}}}", "  ".repeat(self.depth))
    }

    /// Writes all nodes of `graph` and returns the names of its results.
    fn graph(&mut self, graph: &Graph, params: &[String]) -> Vec<String> {
        let mut names = vec![String::new(); graph.value_count()];
        for (&param, name) in graph.params().iter().zip(params) {
            names[param.index()] = name.clone();
        }
        for node in graph.nodes() {
            self.location = node.location;
            let inputs: Vec<Operand> = node
                .inputs
                .iter()
                .map(|&i| Operand { name: names[i.index()].clone(), ty: graph.ty(i).clone() })
                .collect();
            let types: Vec<TensorType> = node.outputs.iter().map(|&o| graph.ty(o).clone()).collect();
            let outputs = node.op.stablehlo(self, &inputs, &types);
            for (&output, name) in node.outputs.iter().zip(outputs) {
                names[output.index()] = name;
            }
        }
        graph.results().iter().map(|r| names[r.index()].clone()).collect()
    }

    fn line(&mut self, text: &str) {
        let indent = "  ".repeat(self.depth);
        let (file, line, column) = (self.location.file(), self.location.line(), self.location.column());
        let _ = writeln!(self.out, "{indent}{text} loc({}:{line}:{column})", quoted(file));
    }
}

/// `tensor<8x4xf32>`.
pub fn tensor(ty: &TensorType) -> String {
    let mut text = String::from("tensor<");
    for size in &ty.shape {
        let _ = write!(text, "{size}x");
    }
    text + ty.dtype.mlir() + ">"
}

/// `tensor<8x4xf32>, tensor<i32>`.
pub fn tensors(types: &[TensorType]) -> String {
    types.iter().map(tensor).collect::<Vec<_>>().join(", ")
}

/// `(tensor<8x4xf32>, tensor<4xf32>) -> tensor<8xf32>`, the type that closes an operation in generic form.
pub fn signature(inputs: &[Operand], outputs: &[TensorType]) -> String {
    let inputs: Vec<TensorType> = inputs.iter().map(|o| o.ty.clone()).collect();
    match outputs {
        [one] => format!("({}) -> {}", tensors(&inputs), tensor(one)),
        _ => format!("({}) -> ({})", tensors(&inputs), tensors(outputs)),
    }
}

/// `%1, %2`.
pub fn names(operands: &[Operand]) -> String {
    operands.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// `array<i64: 0, 1>`.
pub fn array_i64(items: &[usize]) -> String {
    match items.is_empty() {
        true => "array<i64>".into(),
        false => format!("array<i64: {}>", crate::ops::join(items)),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What stands between `dense<` and `>`: one element where all are the same, a nested list where there are few,
/// the raw bytes in hexadecimal where there are many.
fn literal(value: &HostArray) -> String {
    const MANY: usize = 64;
    let elements = match value.data() {
        HostData::Bool(v) => Elements::of(v, |x| x.to_string(), |x| vec![u8::from(x)]),
        HostData::I64(v) => Elements::of(v, |x| x.to_string(), |x| x.to_le_bytes().to_vec()),
        HostData::I32(v) => Elements::of(v, |x| x.to_string(), |x| x.to_le_bytes().to_vec()),
        HostData::U32(v) => Elements::of(v, |x| x.to_string(), |x| x.to_le_bytes().to_vec()),
        HostData::F64(v) => {
            Elements::of(v, |x| float(x, format!("0x{:016X}", x.to_bits())), |x| x.to_le_bytes().to_vec())
        }
        HostData::F32(v) => {
            Elements::of(v, |x| float(x.into(), format!("0x{:08X}", x.to_bits())), |x| x.to_le_bytes().to_vec())
        }
        HostData::F16(v) => {
            Elements::of(v, |x| float(x.into(), format!("0x{:04X}", x.to_bits())), |x| x.to_le_bytes().to_vec())
        }
        HostData::BF16(v) => {
            Elements::of(v, |x| float(x.into(), format!("0x{:04X}", x.to_bits())), |x| x.to_le_bytes().to_vec())
        }
    };
    match elements.texts.as_slice() {
        [] => String::new(),
        [first, ..] if elements.splat => first.clone(),
        texts if texts.len() > MANY && !matches!(value.data(), HostData::Bool(_)) => elements.hex,
        texts => nested(value.shape(), texts),
    }
}

struct Elements {
    texts: Vec<String>,
    hex: String,
    splat: bool,
}

impl Elements {
    fn of<T: Copy>(values: &[T], text: impl Fn(T) -> String, bytes: impl Fn(T) -> Vec<u8>) -> Self {
        let splat = values.iter().all(|&v| bytes(v) == bytes(values[0]));
        let texts = values.iter().take(if splat { 1 } else { usize::MAX }).map(|&v| text(v)).collect();
        let hex =
            if splat { String::new() } else { values.iter().flat_map(|&v| bytes(v)).fold(String::new(), hex_byte) };
        Self { texts, hex: format!("\"0x{hex}\""), splat }
    }
}

fn hex_byte(mut text: String, byte: u8) -> String {
    let _ = write!(text, "{byte:02X}");
    text
}

fn nested(shape: &[usize], texts: &[String]) -> String {
    match shape {
        [] => texts[0].clone(),
        [_] => format!("[{}]", texts.join(", ")),
        [outer, inner @ ..] => {
            let rows: Vec<String> = texts.chunks(texts.len() / outer).map(|row| nested(inner, row)).collect();
            format!("[{}]", rows.join(", "))
        }
    }
}

/// A float literal as MLIR wants it: with a decimal point, and in bits where decimal cannot say it.
fn float(value: f64, bits: String) -> String {
    if !value.is_finite() {
        return bits;
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}
