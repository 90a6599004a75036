//! CUR as a traced program.
//!
//! A is scaled by a power of two first, so that squares stay in range and indices do not depend on the unit; what is
//! not finite is replaced by zeros before the loops and poisons the outputs at the end.

pub(in crate::cur) mod middle;
pub mod selection;

use tandem_compile::{DType, Tensor, number, refuse};
use tandem_linalg::scale::{max_abs, power_of_two};
use tandem_verify::status::Status;

use super::Cur;
use selection::Picks;

/// The traced outputs of [`Cur::trace`].
#[derive(Debug, Clone)]
pub struct Factors {
    /// The chosen rows p in the order of their selection, i32 `[r]`.
    pub row_index: Tensor,
    /// The chosen columns q in the order of their selection, i32 `[c]`.
    pub col_index: Tensor,
    /// C = A(:, q), `[m, c]`.
    pub c: Tensor,
    /// The core U, `[c, r]`.
    pub u: Tensor,
    /// R = A(p, :), `[r, n]`.
    pub r: Tensor,
    /// ||A - C U R|| / ||A|| in the Frobenius norm; 0 for A = 0.
    pub relative_error: Tensor,
    /// ||U||_2: how much the core amplifies errors in C and R.
    pub core_norm: Tensor,
    /// The bits of [`Status`], i32.
    pub status: Tensor,
}

impl Factors {
    /// Refuses the trace at the caller's line.
    #[track_caller]
    pub(super) fn refused(message: &str) -> Self {
        let nothing = refuse(format!("cur: {message}"));
        Factors {
            row_index: nothing.clone(),
            col_index: nothing.clone(),
            c: nothing.clone(),
            u: nothing.clone(),
            r: nothing.clone(),
            relative_error: nothing.clone(),
            core_norm: nothing.clone(),
            status: nothing,
        }
    }

    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        let Factors { row_index, col_index, c, u, r, relative_error, core_norm, status } = self;
        vec![row_index, col_index, c, u, r, relative_error, core_norm, status]
    }
}

impl Cur {
    /// Traces the decomposition of `a` (`[m, n]`, f32 or f64). The parameters must have passed [`Cur::check`].
    #[track_caller]
    pub fn trace(&self, a: &Tensor) -> Factors {
        let fits = self.check(a.shape()).and_then(|()| match a.dtype() {
            DType::F32 | DType::F64 => Ok(()),
            other => Err(format!("a must be f32 or f64, got {other}; convert it")),
        });
        if let Err(message) = fits {
            return Factors::refused(&message);
        }
        let most = max_abs(a);
        let finite = most.is_finite();
        let unit = power_of_two(&most);
        let scaled = finite.select(a / &unit, 0.0);
        let picks = self.picks(&scaled);
        self.finish(a, &scaled, &unit, &finite, &picks)
    }

    #[track_caller]
    fn finish(&self, a: &Tensor, scaled: &Tensor, unit: &Tensor, finite: &Tensor, picks: &Picks) -> Factors {
        let nan = number(f64::NAN, a.dtype());
        let core = middle::core(self, scaled, picks);
        let zero = max_abs(scaled).eq(0.0);
        let u = finite.select(core.u / unit, &nan);
        let relative_error = finite.select(zero.select(0.0, core.error), &nan);
        let core_norm = finite.select(core.norm / unit, &nan);
        let sound = max_abs(&u).is_finite() & relative_error.is_finite() & core_norm.is_finite();
        let status = Status::traced(
            finite,
            &[
                (Status::NOT_CONVERGED, &!&picks.settled),
                (Status::RANK_DEFICIENT, &(&picks.deficient | &core.deficient)),
                (Status::DEGENERATE, &zero),
                (Status::BREAKDOWN, &!sound),
            ],
        );
        Factors {
            row_index: finite.select(&picks.rows, -1),
            col_index: finite.select(&picks.cols, -1),
            c: finite.select(a.take(&picks.cols, 1), &nan),
            r: finite.select(a.take(&picks.rows, 0), &nan),
            u,
            relative_error,
            core_norm,
            status,
        }
    }
}

/// The relative size below which a singular value or a pivot of a `[m, n]` matrix counts as zero: max(m, n) eps.
pub(super) fn negligible(m: usize, n: usize, dtype: DType) -> f64 {
    m.max(n) as f64 * 2.0 * dtype.unit_roundoff()
}
