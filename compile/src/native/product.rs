//! The f64 matrix product on the CPU: faer's is five times as fast as the plugin's own kernel
//! (`docs/notes/f64-products.md`).

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef};

use super::{Call, Handler, HostKernel, parallelism};
use crate::dtype::DType;
use crate::graph::TensorType;
use crate::ops::dot::DotGeneral;
use crate::ops::join;
use crate::stablehlo::{Emitter, Operand, tensor};

/// Below so many multiplications the plugin's kernel is done before a call would be worth it.
const FEWEST: usize = 1 << 18;
/// A product with an axis shorter than this one reads its operands about once, which both do at the memory's speed.
const NARROWEST: usize = 16;

/// C = A B of row-major matrices `[problems, m, k]` and `[problems, k, n]`; an operand that is `[.., k, m]` or `[.., n, k]`
/// is read transposed.
struct Product<const LHS_TRANSPOSED: bool, const RHS_TRANSPOSED: bool>;

impl<const LHS: bool, const RHS: bool> HostKernel for Product<LHS, RHS> {
    const NAME: &'static str = match (LHS, RHS) {
        (false, false) => "tandem_product",
        (true, false) => "tandem_product_lhs_transposed",
        (false, true) => "tandem_product_rhs_transposed",
        (true, true) => "tandem_product_both_transposed",
    };

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        let [problems, m, n] = *call.result_type(0).shape else { return Err("three axes expected".into()) };
        let k = call.argument_type(0).shape[if LHS { 1 } else { 2 }];
        let (a, b, c) = (call.argument::<f64>(0)?, call.argument::<f64>(1)?, call.result::<f64>(0)?);
        let par = parallelism(m * n * k);
        for at in 0..problems {
            let a = matrix::<LHS>(&a[at * m * k..][..m * k], m, k);
            let b = matrix::<RHS>(&b[at * k * n..][..k * n], k, n);
            let c = MatMut::from_row_major_slice_mut(&mut c[at * m * n..][..m * n], m, n);
            matmul(c, Accum::Replace, a, b, 1.0, par);
        }
        Ok(())
    }
}

fn matrix<const TRANSPOSED: bool>(values: &[f64], rows: usize, cols: usize) -> MatRef<'_, f64> {
    match TRANSPOSED {
        true => MatRef::from_row_major_slice(values, cols, rows).transpose(),
        false => MatRef::from_row_major_slice(values, rows, cols),
    }
}

/// Writes `dot` as a call of the kernel, where that is the faster way, and returns the result's name.
pub(crate) fn lowered(
    dot: &DotGeneral,
    emitter: &mut Emitter,
    [lhs, rhs]: [&Operand; 2],
    output: &TensorType,
) -> Option<String> {
    let lengths = |ty: &TensorType, axes: &[usize]| axes.iter().map(|&axis| ty.shape[axis]).product::<usize>();
    let lhs_free = free(&lhs.ty, &dot.lhs_batch, &dot.lhs_contracting);
    let rhs_free = free(&rhs.ty, &dot.rhs_batch, &dot.rhs_contracting);
    let (m, n) = (lengths(&lhs.ty, &lhs_free), lengths(&rhs.ty, &rhs_free));
    let (problems, k) = (lengths(&lhs.ty, &dot.lhs_batch), lengths(&lhs.ty, &dot.lhs_contracting));
    let worth = output.dtype == DType::F64 && m * n * k >= FEWEST && m.min(n).min(k) >= NARROWEST;
    if !emitter.is_native() || !worth {
        return None;
    }
    let (lhs, lhs_transposed) = arranged(emitter, lhs, [&dot.lhs_batch, &lhs_free, &dot.lhs_contracting]);
    let (rhs, rhs_transposed) = arranged(emitter, rhs, [&dot.rhs_batch, &dot.rhs_contracting, &rhs_free]);
    let handler = match (lhs_transposed, rhs_transposed) {
        (false, false) => Handler::of::<Product<false, false>>(),
        (true, false) => Handler::of::<Product<true, false>>(),
        (false, true) => Handler::of::<Product<false, true>>(),
        (true, true) => Handler::of::<Product<true, true>>(),
    };
    let ty = output.with_shape([problems, m, n]);
    let product = emitter.call(handler, &[lhs, rhs], std::slice::from_ref(&ty)).swap_remove(0);
    Some(reshaped(emitter, &Operand { name: product, ty }, output).name)
}

fn free(ty: &TensorType, batch: &[usize], contracting: &[usize]) -> Vec<usize> {
    (0..ty.ndim()).filter(|axis| !batch.contains(axis) && !contracting.contains(axis)).collect()
}

/// The operand with three axes, each of one of the groups: in the given order, or with the last two exchanged (true) where
/// it lies like that in memory.
fn arranged(emitter: &mut Emitter, x: &Operand, groups: [&[usize]; 3]) -> (Operand, bool) {
    let [batch, rows, cols] = groups;
    let lies_as = |order: &[usize]| order.iter().copied().eq(0..x.ty.ndim());
    let transposed = !lies_as(&groups.concat()) && lies_as(&[batch, cols, rows].concat());
    let (groups, x) = match transposed {
        true => ([batch, cols, rows], x.clone()),
        false => (groups, transpose(emitter, x, &groups.concat())),
    };
    let size = |axes: &[usize], ty: &TensorType| axes.iter().map(|&axis| ty.shape[axis]).product::<usize>();
    // After a transposition the groups stand one after the other.
    let mut start = 0;
    let mut sizes = [0; 3];
    for (group, axes) in groups.iter().enumerate() {
        let axes: Vec<usize> = (start..start + axes.len()).collect();
        sizes[group] = size(&axes, &x.ty);
        start += axes.len();
    }
    let ty = x.ty.with_shape(sizes);
    (reshaped(emitter, &x, &ty), transposed)
}

fn transpose(emitter: &mut Emitter, x: &Operand, order: &[usize]) -> Operand {
    if order.iter().copied().eq(0..x.ty.ndim()) {
        return x.clone();
    }
    let ty = x.ty.with_shape(order.iter().map(|&axis| x.ty.shape[axis]).collect::<Vec<_>>());
    let (from, to) = (tensor(&x.ty), tensor(&ty));
    let name = emitter.op(&format!("stablehlo.transpose {}, dims = [{}] : ({from}) -> {to}", x.name, join(order)));
    Operand { name, ty }
}

fn reshaped(emitter: &mut Emitter, x: &Operand, ty: &TensorType) -> Operand {
    if x.ty == *ty {
        return x.clone();
    }
    let name = emitter.op(&format!("stablehlo.reshape {} : ({}) -> {}", x.name, tensor(&x.ty), tensor(ty)));
    Operand { name, ty: ty.clone() }
}
