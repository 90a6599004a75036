//! A program under way: the tensors at hand, and beside them the Rust that makes them.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use tandem_compile::{DType, Tensor, TensorType};

use crate::program::mixed;

/// The largest array that is made on purpose.
pub const LARGEST: usize = 400;

/// Larger numbers are scaled down, so that long programs do not overflow.
const BOUND: f64 = 256.0;

/// A tensor with its name.
#[derive(Debug, Clone)]
pub struct Value {
    pub tensor: Tensor,
    pub name: String,
    /// What it is known by when operands are chosen: it stays the same when other steps are left out.
    id: u64,
    /// A rough bound of its absolute values; those of integers are not followed.
    pub bound: f64,
}

impl Value {
    pub fn ty(&self) -> &TensorType {
        self.tensor.ty()
    }

    pub fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    pub fn ndim(&self) -> usize {
        self.tensor.ndim()
    }
}

/// Everything by shared reference: the closures of a loop or conditional all write.
#[derive(Default)]
pub struct Writer {
    values: RefCell<Vec<Value>>,
    used: RefCell<Vec<bool>>,
    lines: RefCell<Vec<String>>,
    /// The lines that calls with bodies begin at, the innermost last.
    headers: RefCell<Vec<usize>>,
    depth: Cell<usize>,
    names: Cell<usize>,
    /// What the next value is known by.
    id: Cell<u64>,
    whiles: Cell<usize>,
    /// There is no f32 in the program.
    wide: bool,
}

impl Writer {
    /// The Rust that the results need.
    pub fn text(&self, results: &[Value]) -> String {
        let mut wanted: HashSet<String> = results.iter().map(|value| value.name.clone()).collect();
        let mut kept = Vec::new();
        for statement in statements(&self.lines.borrow()).into_iter().rev() {
            let (pattern, _) = statement.split_once(" = ").unwrap_or_default();
            if words(pattern).any(|word| wanted.contains(word)) {
                wanted.extend(words(&statement).map(str::to_owned));
                kept.push(statement);
            }
        }
        kept.reverse();
        kept.join("\n")
    }

    /// How many loops there are that have no reverse mode.
    pub fn whiles(&self) -> usize {
        self.whiles.get()
    }

    pub fn new(wide: bool) -> Self {
        Self { wide, ..Self::default() }
    }

    /// The element type, as far as the program has it.
    pub fn dtype(&self, dtype: DType) -> DType {
        if self.wide && dtype == DType::F32 { DType::F64 } else { dtype }
    }

    pub fn note_while(&self) {
        self.whiles.set(self.whiles.get() + 1);
    }

    pub fn line(&self, text: impl AsRef<str>) {
        let indent = "    ".repeat(self.depth.get() + 1);
        self.lines.borrow_mut().push(format!("{indent}{}", text.as_ref()));
    }

    /// The beginning of a call with a body; what its results are called, only its end shows.
    pub fn header(&self, text: String) {
        self.headers.borrow_mut().push(self.lines.borrow().len());
        self.line(text);
    }

    /// The end of a call with a body, and its results at hand.
    pub fn finish(&self, outputs: Vec<Tensor>, bound: impl Fn(usize) -> f64) {
        self.finish_with(outputs, bound, "});");
    }

    pub fn finish_with(&self, outputs: Vec<Tensor>, bound: impl Fn(usize) -> f64, end: &str) {
        let values: Vec<Value> = outputs.into_iter().enumerate().map(|(at, t)| self.name(t, bound(at))).collect();
        self.begin(&format!("[{}]", names(&values)));
        self.line(end);
    }

    /// [`finish`](Self::finish) for what gives two lists.
    pub fn finish_pair(&self, first: Vec<Tensor>, second: Vec<Tensor>, bound: impl Fn(usize) -> f64) {
        let count = first.len();
        let values: Vec<Value> =
            first.into_iter().chain(second).enumerate().map(|(at, t)| self.name(t, bound(at))).collect();
        self.begin(&format!("([{}], [{}])", names(&values[..count]), names(&values[count..])));
        self.line("});");
    }

    fn begin(&self, pattern: &str) {
        if let Some(at) = self.headers.borrow_mut().pop() {
            let line = &mut self.lines.borrow_mut()[at];
            let call = line.trim_start().to_owned();
            *line = format!("{}let {pattern} = {call}", "    ".repeat(self.depth.get() + 1));
        }
    }

    /// A tensor at hand, under a new name.
    pub fn name(&self, tensor: Tensor, bound: f64) -> Value {
        let number = self.names.get();
        self.names.set(number + 1);
        self.id.set(mixed(self.id.get(), 1));
        let value = Value { tensor, name: format!("v{number}"), id: self.id.get(), bound };
        self.values.borrow_mut().push(value.clone());
        self.used.borrow_mut().push(false);
        value
    }

    /// The result of an expression; floats that may be large are scaled down.
    pub fn push(&self, tensor: Tensor, text: &str, bound: f64) -> Value {
        if !tensor.dtype().is_float() || bound <= BOUND || bound.is_infinite() {
            let bound = if bound.is_infinite() { 16.0 } else { bound };
            let value = self.name(tensor, bound);
            self.line(format!("let {} = {text};", value.name));
            return value;
        }
        let scale = (4.0 / bound).log2().floor().exp2();
        let value = self.name(&tensor * scale, bound * scale);
        self.line(format!("let {} = ({text}) * {scale:?};", value.name));
        value
    }

    /// Runs a step: its values are known by its own number.
    pub fn step<R>(&self, id: u64, f: impl FnOnce() -> R) -> R {
        let outer = self.id.replace(id);
        let result = f();
        self.id.set(outer);
        result
    }

    /// One of the values that fit: the one that goes best with the selector. Leaving out another step changes nothing.
    pub fn pick(&self, selector: u16, fits: impl Fn(&TensorType) -> bool) -> Option<Value> {
        let values = self.values.borrow();
        let candidates = (0..values.len()).filter(|&at| fits(values[at].ty()));
        let at = candidates.max_by_key(|&at| mixed(u64::from(selector), values[at].id))?;
        self.used.borrow_mut()[at] = true;
        Some(values[at].clone())
    }

    /// The newest but `nth` of the values since `mark` that fit.
    pub fn newest(&self, mark: usize, nth: usize, fits: impl Fn(&TensorType) -> bool) -> Option<Value> {
        let values = self.values.borrow();
        let at = (mark..values.len()).rev().filter(|&at| fits(values[at].ty())).nth(nth)?;
        self.used.borrow_mut()[at] = true;
        Some(values[at].clone())
    }

    /// How many values are at hand.
    pub fn mark(&self) -> usize {
        self.values.borrow().len()
    }

    /// The values since `mark`, which are not at hand any more: they belong to a region that ends.
    pub fn close(&self, mark: usize) -> Vec<Value> {
        self.used.borrow_mut().truncate(mark);
        self.values.borrow_mut().split_off(mark)
    }

    /// Writes what `f` writes one step further in.
    pub fn indented<R>(&self, f: impl FnOnce() -> R) -> R {
        self.depth.set(self.depth.get() + 1);
        let result = f();
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// The values that nothing was computed from, the newest ones if there are many.
    pub fn unused(&self, inputs: usize) -> Vec<Value> {
        let (values, used) = (self.values.borrow(), self.used.borrow());
        let mut results: Vec<Value> =
            (inputs..values.len()).filter(|&at| !used[at]).map(|at| values[at].clone()).collect();
        if results.is_empty() {
            results.extend(values.last().cloned());
        }
        results.split_off(results.len().saturating_sub(20))
    }
}

fn names(values: &[Value]) -> String {
    values.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The lines of the outermost block, each with those that stand further in.
fn statements(lines: &[String]) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in lines {
        match line.starts_with("    let ") {
            true => statements.push(line.clone()),
            false => statements.last_mut().into_iter().for_each(|last| *last += &format!("\n{line}")),
        }
    }
    statements
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with('v'))
}

/// What stands in an expression for a name: the value itself when it runs, its text when it is printed.
pub trait Part {
    type Itself;
    fn itself(&self) -> Self::Itself;
    fn shown(&self) -> String;
}

impl Part for Value {
    type Itself = Tensor;

    fn itself(&self) -> Tensor {
        self.tensor.clone()
    }

    fn shown(&self) -> String {
        self.name.clone()
    }
}

impl Part for DType {
    type Itself = DType;

    fn itself(&self) -> DType {
        *self
    }

    fn shown(&self) -> String {
        format!("DType::{self:?}")
    }
}

macro_rules! plain_parts {
    ($($ty:ty),*) => {$(
        impl Part for $ty {
            type Itself = $ty;

            fn itself(&self) -> $ty {
                self.clone()
            }

            fn shown(&self) -> String {
                format!("{self:?}")
            }
        }
    )*};
}

plain_parts!(usize, i64, i32, f64, bool, Vec<usize>, Vec<(i64, i64)>, Vec<(i64, i64, usize)>);

/// The expression's text with the names replaced by what they stand for.
pub fn substituted(text: &str, names: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let len = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (token, tail) = rest.split_at(if word(first) { len } else { first.len_utf8() });
        let field = out.ends_with('.') && !out.ends_with("..");
        match names.iter().find(|(name, _)| *name == token && !field && !tail.starts_with(':')) {
            Some((_, shown)) => out += shown,
            None => out += token,
        }
        rest = tail;
    }
    out
}

/// `emit!(w, bound; [a, axis] a.cumsum(axis))`: runs the expression and writes it down.
macro_rules! emit {
    ($w:expr, $bound:expr; [$($name:ident),*] $body:expr) => {{
        let text = $crate::writer::substituted(
            stringify!($body),
            &[$((stringify!($name), $crate::writer::Part::shown(&$name))),*],
        );
        let bound = $bound;
        $(let $name = $crate::writer::Part::itself(&$name);)*
        $w.push($body, &text, bound)
    }};
}

pub(crate) use emit;
