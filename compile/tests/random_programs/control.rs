//! Loops, conditionals and transforms whose bodies are small programs themselves.

use std::cell::RefCell;

use tandem_compile::{
    DType, Tensor, TensorType, checkpoint, cond, fori_loop, scalar, scan, scan_reversed, switch, vmap, while_loop,
    zeros,
};

use crate::elementwise::is_float;
use crate::program::Step;
use crate::steps::run;
use crate::writer::{Value, Writer, emit};

/// What a loop carries stays below.
const CARRIED: f64 = 4.0;

/// The operand's numbers kept small.
fn tamed(w: &Writer, a: Value) -> Value {
    match is_float(a.ty()) && a.bound > CARRIED {
        true => emit!(w, CARRIED; [a] a.clamp(-4.0, 4.0)),
        false => a,
    }
}

fn names(values: &[Value]) -> String {
    values.iter().map(|v| v.name.clone()).collect::<Vec<_>>().join(", ")
}

fn clones(values: &[Value]) -> String {
    values.iter().map(|v| format!("{}.clone()", v.name)).collect::<Vec<_>>().join(", ")
}

fn tensors(values: &[Value]) -> Vec<Tensor> {
    values.iter().map(|v| v.tensor.clone()).collect()
}

fn params(w: &Writer, tensors: Vec<Tensor>, bounds: impl Fn(usize) -> f64) -> Vec<Value> {
    tensors.into_iter().enumerate().map(|(at, tensor)| w.name(tensor, bounds(at))).collect()
}

/// Up to `count` values to begin with.
fn picked(w: &Writer, s: &Step, count: usize, fits: impl Fn(&TensorType) -> bool) -> Vec<Value> {
    let pick = |at: usize| w.pick(s.operands[at % 3] ^ (at as u16 / 3), &fits);
    (0..count).filter_map(pick).collect()
}

/// The next carry: for every parameter the newest value of the region that is of its type.
fn next(w: &Writer, mark: usize, carry: &[Value], selector: u16) -> Vec<Value> {
    let of_type = |param: &Value| {
        let fits = |ty: &TensorType| ty == param.ty();
        let value = w
            .newest(mark, usize::from(selector % 2), fits)
            .or_else(|| w.newest(mark, 0, fits))
            .unwrap_or(param.clone());
        tamed(w, value)
    };
    carry.iter().map(of_type).collect()
}

/// The newest values of the region, to be stacked or chosen.
fn newest(w: &Writer, mark: usize, count: usize) -> Vec<Value> {
    let small = |ty: &TensorType| ty.len() <= 60 && ty.ndim() <= 3;
    let pick = |at: usize| w.newest(mark, at, small).or_else(|| w.newest(0, at, small));
    (0..count).filter_map(pick).collect()
}

fn tuple(values: &[Value]) -> String {
    format!("[{}]", clones(values))
}

pub fn fori(w: &Writer, s: &Step) -> Option<()> {
    let carry: Vec<Value> = picked(w, s, 1 + s.below(0, 3), |_| true).into_iter().map(|v| tamed(w, v)).collect();
    let (start, end) = (s.below(1, 3) as i32 - 1, s.below(2, 5) as i32);
    let outputs = fori_loop(start, end, tensors(&carry), |i, c| {
        let mark = w.mark();
        let i = w.name(i, 0.0);
        let c = params(w, c, |_| CARRIED);
        w.header(format!("fori_loop({start}, {end}, {}, |{}, [{}]| {{", tuple(&carry), i.name, names(&c)));
        let results = w.indented(|| {
            run(w, &s.body);
            let results = next(w, mark + 1, &c, s.numbers[3]);
            w.line(tuple(&results));
            results
        });
        w.close(mark);
        tensors(&results)
    });
    w.finish(outputs, |_| CARRIED);
    Some(())
}

pub fn scanned(w: &Writer, s: &Step) -> Option<()> {
    let first = w.pick(s.operands[0], |ty| ty.ndim() >= 1)?;
    let size = first.shape()[0];
    let second = w.pick(s.operands[1], |ty| ty.ndim() >= 1 && ty.shape[0] == size)?;
    let xs = if s.below(0, 2) == 0 { vec![first] } else { vec![first, second] };
    let carry: Vec<Value> = picked(w, s, s.below(1, 3), |_| true).into_iter().map(|v| tamed(w, v)).collect();
    let reverse = s.below(2, 2) == 0;
    let bounds = RefCell::new(vec![CARRIED; carry.len()]);
    let body = |c: Vec<Tensor>, x: Vec<Tensor>| {
        let mark = w.mark();
        let c = params(w, c, |_| CARRIED);
        let x = params(w, x, |at| xs[at].bound);
        let name = if reverse { "scan_reversed" } else { "scan" };
        let (cs, xn) = (names(&c), names(&x));
        w.header(format!("{name}({}, {}, |[{cs}]: [Tensor; {}], [{xn}]| {{", tuple(&carry), tuple(&xs), c.len()));
        let (c, y) = w.indented(|| {
            run(w, &s.body);
            let c = next(w, mark, &c, s.numbers[3]);
            let y = newest(w, mark, 1 + s.more(1, 2));
            w.line(format!("({}, {})", tuple(&c), tuple(&y)));
            (c, y)
        });
        bounds.borrow_mut().extend(y.iter().map(|y| y.bound));
        w.close(mark);
        (tensors(&c), tensors(&y))
    };
    let (init, slices) = (tensors(&carry), tensors(&xs));
    let (c, y) = if reverse { scan_reversed(init, slices, body) } else { scan(init, slices, body) };
    w.finish_pair(c, y, |at| bounds.borrow()[at]);
    Some(())
}

/// A loop whose number of trips is computed, at most 4.
pub fn whiled(w: &Writer, s: &Step) -> Option<()> {
    let carry: Vec<Value> = picked(w, s, 1 + s.below(0, 2), |_| true).into_iter().map(|v| tamed(w, v)).collect();
    let limit = match w.pick(s.operands[2], |ty| ty.dtype == DType::I32 && ty.ndim() == 0) {
        Some(n) => emit!(w, 0.0; [n] n.clamp(0, 4)),
        None => emit!(w, 0.0; [] scalar(3i32)),
    };
    let start = emit!(w, 0.0; [] scalar(0i32));
    let all = [&[start], carry.as_slice()].concat();
    // Sometimes a float decides, too.
    let float = (1..all.len()).find(|&at| is_float(all[at].ty())).filter(|_| s.below(1, 2) == 0);
    w.note_while();
    let outputs = while_loop(
        tensors(&all),
        |c| {
            let go = c[0].lt(&limit.tensor);
            let also = float.map_or(String::new(), |at| format!(" & c[{at}].sum().lt(9.0)"));
            w.header(format!("while_loop({}, |c| c[0].lt(&{}){also},", tuple(&all), limit.name));
            match float {
                Some(at) => go & c[at].sum().lt(9.0),
                None => go,
            }
        },
        |c| {
            let mark = w.mark();
            let c = params(w, c, |_| CARRIED);
            w.line(format!("|[{}]| {{", names(&c)));
            let results = w.indented(|| {
                run(w, &s.body);
                let i = c[0].clone();
                let count = emit!(w, 0.0; [i] &i + 1);
                let results = [&[count], next(w, mark + 1, &c[1..], s.numbers[3]).as_slice()].concat();
                w.line(tuple(&results));
                results
            });
            w.close(mark);
            tensors(&results)
        },
    );
    w.finish(outputs, |_| CARRIED);
    Some(())
}

/// A branch: its results are of the types that `like` asks for, or its own newest values.
fn branch(w: &Writer, steps: &[Step], like: &RefCell<Vec<Value>>, count: usize) -> Vec<Tensor> {
    let mark = w.mark();
    let first = count > 0;
    w.indented(|| {
        run(w, steps);
        let results = if first { newest(w, mark, count) } else { Vec::new() };
        if first {
            like.borrow_mut().extend(results.iter().cloned());
        }
        let fitting = |value: &Value| {
            let (shape, dtype) = (value.shape().to_vec(), value.ty().dtype);
            match w.newest(0, 0, |ty| ty == value.ty()) {
                Some(found) => found,
                None => emit!(w, 0.0; [shape, dtype] zeros(shape, dtype)),
            }
        };
        let results: Vec<Value> = if first { results } else { like.borrow().clone().iter().map(fitting).collect() };
        for (known, result) in like.borrow_mut().iter_mut().zip(&results) {
            known.bound = known.bound.max(result.bound);
        }
        w.line(tuple(&results));
        w.close(mark);
        tensors(&results)
    })
}

fn predicate(w: &Writer, s: &Step) -> Option<Value> {
    if let Some(found) = w.pick(s.operands[0], |ty| ty.dtype == DType::Bool && ty.ndim() == 0) {
        return Some(found);
    }
    let a = w.pick(s.operands[0], |ty| ty.dtype != DType::Bool)?;
    Some(emit!(w, 0.0; [a] a.sum().gt(0)))
}

pub fn conditional(w: &Writer, s: &Step) -> Option<()> {
    let which = predicate(w, s)?;
    let like = RefCell::new(Vec::new());
    let (one, two) = s.body.split_at(s.body.len().div_ceil(2));
    let outputs = cond(
        &which.tensor,
        || {
            w.header(format!("cond(&{}, || {{", which.name));
            branch(w, one, &like, 1 + s.below(0, 2))
        },
        || {
            w.line("}, || {");
            branch(w, two, &like, 0)
        },
    );
    let bounds: Vec<f64> = like.borrow().iter().map(|v| v.bound).collect();
    w.finish(outputs, |at| bounds[at]);
    Some(())
}

pub fn switched(w: &Writer, s: &Step) -> Option<()> {
    let a = w.pick(s.operands[0], |ty| ty.dtype == DType::I32)?;
    let which = if a.ndim() == 0 { a } else { emit!(w, 0.0; [a] a.sum().clamp(-1, 3)) };
    let like = RefCell::new(Vec::new());
    let each = s.body.len().div_ceil(3);
    let outputs = switch(&which.tensor, 3, |n| {
        match n {
            0 => w.header(format!("switch(&{}, 3, |n| match n {{ 0 => {{", which.name)),
            1 => w.line("}, 1 => {"),
            _ => w.line("}, _ => {"),
        }
        let steps = s.body.get(n * each..).unwrap_or_default();
        branch(w, &steps[..steps.len().min(each)], &like, if n == 0 { 1 + s.below(0, 2) } else { 0 })
    });
    w.line("}");
    let bounds: Vec<f64> = like.borrow().iter().map(|v| v.bound).collect();
    w.finish(outputs, |at| bounds[at]);
    Some(())
}

/// A function of one value that is mapped, or computed again for its derivative.
pub fn transformed(w: &Writer, s: &Step) -> Option<()> {
    let mapped = s.below(0, 2) == 0;
    let fits = |ty: &TensorType| !mapped || (ty.ndim() >= 1 && ty.shape[0] > 0);
    let a = w.pick(s.operands[0], fits)?;
    let bounds = RefCell::new(Vec::new());
    let f = |x: Tensor| {
        let mark = w.mark();
        let x = w.name(x, a.bound);
        w.header(format!("{}(|{}: Tensor| {{", if mapped { "vmap" } else { "checkpoint" }, x.name));
        let results = w.indented(|| {
            run(w, &s.body);
            let results = newest(w, mark, 2);
            w.line(tuple(&results));
            results
        });
        bounds.replace(results.iter().map(|v| v.bound).collect());
        w.close(mark);
        tensors(&results)
    };
    let x = a.tensor.clone();
    let outputs = if mapped { vmap(f)(x) } else { checkpoint(f)(x) };
    w.finish_with(outputs, |at| bounds.borrow()[at], &format!("}})({}.clone());", a.name));
    Some(())
}
