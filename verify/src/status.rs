//! What an algorithm says about its own result, as bits: a traced program cannot raise an error.

use std::fmt;

use tandem_compile::{DType, Tensor, scalar};

/// A set of the conditions below, as the traced programs compute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status(pub i32);

impl Status {
    /// An input holds NaN or infinity; floating-point outputs are NaN, indices -1, counts 0.
    pub const NONFINITE_INPUT: Status = Status(1);
    /// The iteration limit came before the requested convergence.
    pub const NOT_CONVERGED: Status = Status(2);
    /// A matrix had a smaller rank than the computation asked for.
    pub const RANK_DEFICIENT: Status = Status(4);
    /// The input is zero, or there was nothing left to explain.
    pub const DEGENERATE: Status = Status(8);
    /// NaN or infinity came out of finite inputs.
    pub const BREAKDOWN: Status = Status(16);

    const NAMES: [(Status, &'static str); 5] = [
        (Status::NONFINITE_INPUT, "NONFINITE_INPUT"),
        (Status::NOT_CONVERGED, "NOT_CONVERGED"),
        (Status::RANK_DEFICIENT, "RANK_DEFICIENT"),
        (Status::DEGENERATE, "DEGENERATE"),
        (Status::BREAKDOWN, "BREAKDOWN"),
    ];

    /// Whether every condition of `other` is set.
    pub fn has(self, other: Status) -> bool {
        self.0 & other.0 == other.0
    }

    /// The conditions that are set, in words.
    pub fn words(self) -> Vec<&'static str> {
        Self::NAMES.iter().filter(|(bit, _)| self.has(*bit)).map(|&(_, name)| name).collect()
    }

    /// This set with `other` added where `condition` holds.
    pub fn with(self, other: Status, condition: bool) -> Status {
        if condition { Status(self.0 | other.0) } else { self }
    }

    /// The status as a traced program computes it, i32: the bits of the conditions that hold, or
    /// [`Status::NONFINITE_INPUT`] alone where the inputs are not `finite`. All are booleans of one shape.
    #[track_caller]
    pub fn traced(finite: &Tensor, conditions: &[(Status, &Tensor)]) -> Tensor {
        let bits =
            conditions.iter().fold(scalar(0i32), |status, (bit, holds)| status | (holds.convert(DType::I32) * bit.0));
        finite.select(bits, Status::NONFINITE_INPUT.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(", "))
    }
}
