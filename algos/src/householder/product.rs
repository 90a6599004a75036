//! Q(V) with a status: what the command line runs and what is verified.

use tandem_compile::{Tensor, scalar};
use tandem_verify::status::Status;

use super::Form;

/// Q(V) or its first columns; a builder.
///
/// ```
/// use tandem_algos::householder::{Form, HouseholderQ};
///
/// let thin = HouseholderQ::new().cols(3).form(Form::Sequential);
/// assert!(thin.check(&[8, 5]).is_ok());
/// assert!(thin.check(&[2, 5]).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HouseholderQ {
    /// How many columns of Q; 0 asks for all d.
    pub cols: usize,
    /// The form; `None` takes the cheapest.
    pub form: Option<Form>,
}

/// The traced outputs of [`HouseholderQ::trace`].
#[derive(Debug, Clone)]
pub struct Reflected {
    /// The first columns of Q(V), `[d, cols]`.
    pub q: Tensor,
    /// The bits of [`Status`], i32: DEGENERATE where a column of V is zero.
    pub status: Tensor,
}

impl Reflected {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        vec![self.q, self.status]
    }
}

impl HouseholderQ {
    /// All of Q, by the cheapest form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many columns; 0 asks for all.
    pub fn cols(self, cols: usize) -> Self {
        Self { cols, ..self }
    }

    /// Sets the form.
    pub fn form(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// How many columns there will be of a Q with `d` rows.
    pub fn width(&self, d: usize) -> usize {
        if self.cols == 0 { d } else { self.cols }
    }

    /// Checks the parameters against V of shape `[d, k]`.
    ///
    /// # Errors
    /// What does not fit, in one line.
    pub fn check(&self, shape: &[usize]) -> Result<(), String> {
        let &[d, k] = shape else {
            return Err(format!("v must be a matrix [d, k] with a vector in every column, got shape {shape:?}"));
        };
        if d == 0 {
            return Err(format!("v is [0, {k}]: the vectors must have at least one element"));
        }
        if self.cols > d {
            return Err(format!("cols = {}: Q is [{d}, {d}] for v [{d}, {k}], so at most {d}", self.cols));
        }
        if self.form == Some(Form::Blocked(0)) {
            return Err("a block of 0 reflections: the width must be at least 1".into());
        }
        match d.max(k) <= i32::MAX as usize {
            true => Ok(()),
            false => Err(format!("v is [{d}, {k}]: sizes up to {} are supported", i32::MAX)),
        }
    }

    /// Traces Q(V) for `v` (`[d, k]`, f32 or f64). The parameters must have passed [`HouseholderQ::check`].
    #[track_caller]
    pub fn trace(&self, v: &Tensor) -> Reflected {
        let (d, k) = (v.dim(0), v.dim(1));
        let cols = self.width(d);
        let q = self.form.unwrap_or(Form::cheapest(d, k, cols)).q(v, cols);
        let (finite, zero) = match k {
            0 => (scalar(true), scalar(false)),
            _ => (v.is_finite().all(), v.eq(0.0).all_axes([0]).any()),
        };
        Reflected { q, status: Status::traced(&finite, &[(Status::DEGENERATE, &zero)]) }
    }
}
