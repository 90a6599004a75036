//! The eigensolver on one matrix, as a graph of plain operations.

use tandem_compile::{Tensor, full, ones};

use crate::scale::{max_abs, power_of_two};

use super::back::turned_back;
use super::tree::tridiagonal_eigh;
use super::tridiagonal::{padded, tridiagonal};

/// Eigenvalues `[n]`, increasing, and eigenvectors `[n, n]` of a matrix of which the lower triangle is read.
pub(crate) fn eigh_portable(a: &Tensor) -> (Tensor, Tensor) {
    let n = a.dim(0);
    if n < 2 {
        let (w, sound) = trivial(a);
        return (w, sound.select(ones([n, n], a.dtype()), f64::NAN));
    }
    let scaled = scaled(a);
    let reduced = tridiagonal(&scaled.matrix);
    let (w, inner) = tridiagonal_eigh(&reduced.diagonal, &reduced.beside, true);
    let inner = inner.unwrap_or_else(|| full([n, n], f64::NAN, a.dtype()));
    let v = turned_back(&reduced.stages, &inner.pad(0.0, &[(0, (padded(n) - n) as i64, 0), (0, 0, 0)]));
    (scaled.restored(&w), scaled.sound.select(v.slice(0, 0, n), f64::NAN))
}

/// The eigenvalues alone: nothing but the reduction takes more than n^2 operations per level.
pub(crate) fn eigvalsh_portable(a: &Tensor) -> Tensor {
    if a.dim(0) < 2 {
        return trivial(a).0;
    }
    let scaled = scaled(a);
    let reduced = tridiagonal(&scaled.matrix);
    scaled.restored(&tridiagonal_eigh(&reduced.diagonal, &reduced.beside, false).0)
}

/// A matrix of size 0 or 1: its eigenvalue, and whether that is finite.
fn trivial(a: &Tensor) -> (Tensor, Tensor) {
    let w = a.reshape([a.dim(0)]);
    let sound = w.is_finite().all();
    (sound.select(w, f64::NAN), sound)
}

/// A symmetric matrix with its largest element in [1, 2), or zero.
struct Scaled {
    matrix: Tensor,
    /// What it was divided by.
    scale: Tensor,
    /// Whether all that was read is finite; else `matrix` is zero, so that nothing below meets NaN.
    sound: Tensor,
}

fn scaled(a: &Tensor) -> Scaled {
    let lower = a.tril(0);
    let size = max_abs(&lower);
    let (scale, sound) = (power_of_two(&size), size.is_finite());
    let lower = sound.select(lower / &scale, 0.0);
    Scaled { matrix: &lower + lower.tril(-1).t(), scale, sound }
}

impl Scaled {
    fn restored(&self, w: &Tensor) -> Tensor {
        self.sound.select(w * &self.scale, f64::NAN)
    }
}
