//! The operations as programs that say how they went.

use tandem_compile::{Tensor, refuse, scalar};
use tandem_verify::status::Status;

use super::Operation;
use crate::operand::all_finite;
use crate::{cholesky, eigh, lstsq, lu, pinv, polar, qr, solve, svd};

impl Operation {
    /// The outputs for A `[m, n]` and, where there is one, b; and the status (i32) last: that an input which is read holds NaN
    /// or infinity, or that they came out of finite inputs.
    #[track_caller]
    pub fn trace(self, a: &Tensor, b: Option<&Tensor>) -> Vec<Tensor> {
        let mut outputs = self.outputs_of(a, b);
        let read = if self.reads_lower() { a.tril(0) } else { a.clone() };
        let good = b.map_or(all_finite(&read), |b| all_finite(&read) & all_finite(b));
        let sound = outputs.iter().map(all_finite).reduce(|x, y| x & y).unwrap_or_else(|| scalar(true));
        outputs.push(Status::traced(&good, &[(Status::BREAKDOWN, &!sound)]));
        outputs
    }

    #[track_caller]
    fn outputs_of(self, a: &Tensor, b: Option<&Tensor>) -> Vec<Tensor> {
        let pair = |(x, y)| vec![x, y];
        let triple = |(x, y, z)| vec![x, y, z];
        match (self, b) {
            (Self::Qr, _) => pair(qr(a)),
            (Self::Lu, _) => triple(lu(a)),
            (Self::Cholesky, _) => vec![cholesky(a)],
            (Self::Eigh, _) => pair(eigh(a)),
            (Self::Svd, _) => triple(svd(a)),
            (Self::Polar, _) => pair(polar(a)),
            (Self::Pinv, _) => vec![pinv(a, None)],
            (Self::Lstsq, Some(b)) => vec![lstsq(a, b, None)],
            (Self::Solve, Some(b)) => vec![solve(a, b)],
            (Self::Lstsq | Self::Solve, None) => {
                vec![refuse(format!("{}: a right-hand side b expected beside {}", self.name(), a.ty()))]
            }
        }
    }
}
