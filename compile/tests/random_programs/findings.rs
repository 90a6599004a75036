//! What random programs have found in XLA, each as the smallest program that shows it.

use tandem_compile::pjrt::Device;
use tandem_compile::{Tensor, jit, scalar};

/// XLA's compiler divides constants by themselves, and zero by zero ended the process (SIGFPE): see
/// `docs/notes/constant-division-by-zero.md`. The lowering of integer division takes a zero out of its way.
#[test]
fn zero_divided_by_zero_when_the_program_is_compiled_is_what_it_is_when_it_runs() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let f = |x: Tensor, y: Tensor| (&x / &y, x % y);
    let constant = jit(move |()| f(scalar(0i32), scalar(0i32))).on(&device);
    let folded: (i32, i32) = constant.call(()).unwrap_or_else(|error| panic!("{error}"));
    let running = jit(move |(x, y): (Tensor, Tensor)| f(x, y)).on(&device);
    let run: (i32, i32) = running.call((0, 0)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((folded, run), ((-1, 0), (-1, 0)));
}

/// XLA's compiler counts -32 zeros above the highest one of the constant -1: see
/// `docs/notes/leading-zeros-of-negative-constants.md`. The lowering counts in u32.
#[test]
fn leading_zeros_of_a_constant_are_those_of_an_argument() {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let constant = jit(|()| scalar(-1i32).count_leading_zeros()).on(&device);
    let folded: i32 = constant.call(()).unwrap_or_else(|error| panic!("{error}"));
    let running = jit(|x: Tensor| x.count_leading_zeros()).on(&device);
    let run: i32 = running.call(-1).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((folded, run), (0, 0));
}
