//! Convolutions with wide kernels, by the discrete Fourier transform.
//!
//! A direct convolution multiplies every pixel with every tap for every pair of channels; between transforms there is one
//! complex product for each frequency and pair of channels. The transforms are products with matrices of cosines and sines, which
//! at the sizes of pictures cost no more than the products between them, and have derivatives that are products again.
//!
//! The transform is cyclic, and zeros keep the borders apart: half as many as the kernel is wide, for those behind one border
//! stand before the other.

use std::f64::consts::TAU;

use tandem_compile::{DType, DotGeneral, HostArray, Tensor, constant};

/// Real and imaginary part.
type Complex = [Tensor; 2];

/// The convolution of `x` (`[n, h, w, in]`) with a kernel `[out, in, kh, kw]` of odd sizes, zeros around the image:
/// `[n, h, w, out]`.
pub(super) fn correlate(x: &Tensor, kernel: &Tensor) -> Tensor {
    let waves = [1, 2].map(|axis| Waves { len: x.dim(axis), half: kernel.dim(axis + 1) / 2, dtype: x.dtype() });
    // Columns, rows, and what is alike for all frequencies.
    let image = waves.each_ref().map(Waves::of_image);
    let taps = waves.each_ref().map(Waves::of_kernel);
    let image = transformed(&x.transpose([2, 1, 0, 3]), &image);
    let taps = transformed(&kernel.transpose([3, 2, 1, 0]), &taps);
    restored(&multiplied(&image, &taps), &waves).transpose([2, 1, 0, 3])
}

/// Whether this takes fewer operations than a direct convolution, for an image `[n, h, w, in]` and a kernel
/// `[out, in, kh, kw]`.
pub(super) fn is_cheaper(image: &[usize], kernel: &[usize]) -> bool {
    let (&[n, h, w, _], &[out, into, kh, kw]) = (image, kernel) else { return false };
    let pairs = out * into;
    let direct = 2 * n * (h + kh - 1) * w * kh * kw * pairs;
    let (rows, columns) = (h + kh / 2, (w + kw / 2) / 2 + 1);
    // To half the columns' frequencies, and from there to all of the rows'.
    let transform = |height: usize, width: usize| 4 * columns * width * height + 8 * rows * columns * height;
    let images = n * (into + out) * transform(h, w);
    // The products of single frequencies are small: one takes the time of two.
    let products = 2 * 8 * rows * columns * n * pairs;
    images + pairs * transform(kh, kw) + products < direct
}

/// The waves along one axis of the image.
struct Waves {
    /// Pixels.
    len: usize,
    /// How far the kernel reaches.
    half: usize,
    dtype: DType,
}

impl Waves {
    /// The period.
    fn period(&self) -> usize {
        self.len + self.half
    }

    /// Frequencies from 0 to half the period: those of real numbers.
    fn half_spectrum(&self) -> usize {
        self.period() / 2 + 1
    }

    /// cos and sin of 2 pi f (at - start) / period for `rows` frequencies f and `columns` positions, times a factor.
    fn matrices(&self, [rows, columns]: [usize; 2], angle: impl Fn(usize, usize) -> (i64, f64)) -> Complex {
        let period = self.period() as i64;
        let table = |wave: fn(f64) -> f64| {
            let array = HostArray::from_fn([rows, columns], |at| {
                let (turns, factor) = angle(at / columns, at % columns);
                // Whole turns away first: the angle stays small and exact.
                factor * wave(TAU * turns.rem_euclid(period) as f64 / period as f64)
            });
            constant(&array.cast(self.dtype).unwrap_or(array))
        };
        [table(f64::cos), table(f64::sin)]
    }

    /// e^(-i 2 pi f s / period), per axis of frequencies and positions, for all frequencies or for half of them.
    fn of_image(&self) -> Steps {
        let steps = |count| self.matrices([count, self.len], |f, s| (-((f * s) as i64), 1.0));
        Steps { half: steps(self.half_spectrum()), whole: steps(self.period()) }
    }

    /// e^(+i 2 pi f (a - half) / period): the kernel is not turned round.
    fn of_kernel(&self) -> Steps {
        let taps = 2 * self.half + 1;
        let steps = |count| self.matrices([count, taps], |f, a| (f as i64 * (a as i64 - self.half as i64), 1.0));
        Steps { half: steps(self.half_spectrum()), whole: steps(self.period()) }
    }
}

/// The matrices of a transform along one axis, `[frequencies, positions]`.
struct Steps {
    half: Complex,
    whole: Complex,
}

/// The matrix product of `[m, k]` with `[k, ...]`.
fn times(matrix: &Tensor, x: &Tensor) -> Tensor {
    matrix.contract(x, 1, 0)
}

/// The complex one.
fn complex_times([a, b]: &Complex, [x, y]: &Complex) -> Complex {
    [times(a, x) - times(b, y), times(a, y) + times(b, x)]
}

/// Of real `[columns, rows, ...]`: `[row frequencies, half the column frequencies, ...]`. `steps` are for rows, then columns.
fn transformed(x: &Tensor, [rows, columns]: &[Steps; 2]) -> Complex {
    let along = columns.half.each_ref().map(|wave| times(wave, x).transpose([1, 0, 2, 3]));
    complex_times(&rows.whole, &along)
}

/// For every frequency the product of `[n, in]` and `[in, out]`.
fn multiplied([a, b]: &Complex, [x, y]: &Complex) -> Complex {
    let each = |a: &Tensor, x: &Tensor| {
        let axes = vec![0, 1];
        let (lhs_contracting, rhs_contracting) = (vec![3], vec![2]);
        let dot = DotGeneral {
            lhs_contracting,
            rhs_contracting,
            lhs_batch: axes.clone(),
            rhs_batch: axes,
            ..Default::default()
        };
        a.dot_general(x, dot)
    };
    [each(a, x) - each(b, y), each(a, y) + each(b, x)]
}

/// Back from `[row frequencies, half the column frequencies, ...]` to real `[columns, rows, ...]`.
fn restored(x: &Complex, [rows, columns]: &[Waves; 2]) -> Tensor {
    let back = rows.matrices([rows.len, rows.period()], |s, f| ((f * s) as i64, 1.0 / rows.period() as f64));
    let [x, y] = complex_times(&back, x).map(|x| x.transpose([1, 0, 2, 3]));
    let period = columns.period();
    // The other half of the spectrum is the conjugate of this one: all but the ends count twice.
    let weight = |f: usize| if f == 0 || 2 * f == period { 1.0 } else { 2.0 } / period as f64;
    let [cos, sin] = columns.matrices([columns.len, columns.half_spectrum()], |s, f| ((f * s) as i64, weight(f)));
    times(&cos, &x) - times(&sin, &y)
}
