//! What it means that a traced program and its reference agree.
//!
//! A fixed tolerance is a guess. Here the reference runs twice: in the device's own precision and in the next
//! higher one, the *oracle*. How far the first is from the second is the *yardstick*, and the device's distance from
//! the oracle may be a small multiple of it. Where the computation takes a discrete step, the step's *margin* is
//! recorded; within rounding of a tie both answers are right and the case is judged by the *laws* alone: what must
//! hold whatever the rounding. The crate knows no algorithm.
//!
//! Two levels of use:
//! - [`equivalent()`] for a function of one's own, inside a `#[test]`: the traced function, the reference, random problems;
//! - [`Subject`] and [`check()`] where there is more to say: discrete steps with their margins, degenerate inputs, laws.

pub mod agreement;
pub mod backend;
pub mod bits;
pub mod certificate;
pub mod check;
mod counterexample;
pub mod equivalent;
pub mod gallery;
pub mod law;
pub mod matrix;
pub mod outcome;
pub mod real;
pub mod rng;
pub mod status;
pub mod strategy;
mod tally;

pub use agreement::{Comparison, Ratio};
pub use backend::{Backend, Compiled};
pub use bits::Batch;
pub use certificate::Certificate;
pub use check::{Options, Subject, check, check_case};
pub use equivalent::{Array, Equivalent, Part, Parts, Problem, Reference, equivalent};
pub use law::{Law, Trial, Verdict};
pub use matrix::Matrix;
pub use outcome::{Decision, Outcome, Output, Values};

pub use real::Real;
