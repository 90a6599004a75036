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
