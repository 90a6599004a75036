//! Every primitive, by its record: the device against the interpreter, derivatives against differences and complex
//! steps, transposes against derivatives, vmap against a loop, refusals and their lines.
//!
//! With `RECORDS=neg,abs` in the environment only those kinds are tested.

mod arrangement;
mod arrays;
mod choice;
mod constant;
mod control;
mod convert;
mod derivatives;
mod device;
mod elementwise;
mod factors;
mod judge;
mod loops;
mod order;
mod positions;
mod products;
mod programs;
mod record;
mod reductions;
mod report;
mod special;
mod values;
mod windows;

use record::Record;
use tandem_compile::ops::Kind;

/// The record of a primitive. There is no wildcard, so that none can be added without one.
pub fn record(kind: Kind) -> Record {
    use Kind::*;
    match kind {
        Neg | Abs | Sign | Not | Exp | Expm1 | Log | Log1p | Sqrt | Rsqrt | Cbrt | Sin | Cos | Tan | Tanh
        | Logistic | Erf | ErfInv | Floor | Ceil | RoundEven | RoundAway | IsFinite | PopulationCount
        | CountLeadingZeros => elementwise::unary(kind),
        Add | Sub | Mul | Div | Rem | Pow | Max | Min | Atan2 | And | Or | Xor | ShiftLeft | ShiftRight
        | ShiftRightArithmetic => elementwise::binary(kind),
        Eq | Ne | Lt | Le | Gt | Ge => choice::compare(kind),
        Select => choice::select(),
        Clamp => choice::clamp(),
        Constant => constant::constant(),
        Iota => constant::iota(),
        Convert => convert::convert(),
        Bitcast => convert::bitcast(),
        Reshape | Transpose | Broadcast | Slice | Concatenate | Reverse | Pad => one(kind, arrangement::records()),
        DynamicSlice | DynamicUpdateSlice | Gather | Scatter => one(kind, positions::records()),
        ReduceSum | ReduceProduct | ReduceMax | ReduceMin | ReduceAny | ReduceAll | Reduce | ArgMax | ArgMin
        | CumulativeSum | CumulativeProduct | CumulativeMax | CumulativeMin => one(kind, reductions::records()),
        WindowSum | WindowMax | WindowMin | ArgWindow => one(kind, windows::records()),
        Sort | TopK => one(kind, order::records()),
        DotGeneral => products::dot_general(),
        Convolution => products::convolution(),
        Cholesky => factors::cholesky(),
        TriangularSolve => factors::triangular_solve(),
        While | Scan | Case | Barrier | StopGradient | CustomJvp | CustomVjp | Checkpoint | Kernel | LinearSolve => {
            control::record(kind)
        }
    }
}

/// The record of one primitive among those of its family.
fn one(kind: Kind, family: Vec<Record>) -> Record {
    family.into_iter().find(|record| record.kind == kind).unwrap_or_else(|| panic!("{kind} has no record"))
}

#[test]
fn every_primitive_has_a_record_that_uses_it() {
    report::each_record(programs::uses_the_primitive);
}

#[test]
fn the_device_agrees_with_the_interpreter() {
    report::each_record(device::agrees);
}

#[test]
fn forward_mode_is_the_derivative() {
    report::each_record(derivatives::forward);
}

#[test]
fn reverse_mode_is_the_transpose_of_forward_mode() {
    report::each_record(derivatives::transpose);
}

#[test]
fn second_derivatives_are_symmetric_in_both_orders_of_the_modes() {
    report::each_record(derivatives::second);
}

#[test]
fn derivatives_on_the_device_agree_with_the_interpreter() {
    report::each_record(device::derivatives_agree);
}

#[test]
fn vmap_is_a_loop() {
    report::each_record(loops::vmap_is_a_loop);
}

#[test]
fn vmap_on_the_device_agrees_with_the_interpreter() {
    report::each_record(device::vmap_agrees);
}

#[test]
fn what_is_refused_is_named_with_its_line() {
    report::each_record(programs::refusals);
}

#[test]
fn the_cost_is_a_number() {
    report::each_record(programs::cost);
}
