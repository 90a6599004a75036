//! Starts computed on the host, in any precision.

use faer::Mat;
use tandem_verify::Real;

use super::Init;

/// Uniform numbers in `[2^-20, 1)`, `[n, k]`: multiples of 2^-24, the same in every precision.
pub fn random<R: Real>(k: usize, n: usize, seed: u64) -> Mat<R> {
    let words = threefry(seed, k * n);
    // The stream fills Y = G' row by row.
    Mat::from_fn(n, k, |i, j| {
        let number = f64::from(words[j * n + i] >> 8) / f64::from(1u32 << 24);
        R::from_f64(number.max(Init::SMALLEST))
    })
}

/// A random order of `0..n`: the positions that sort random words, equal words in their own order.
pub fn permutation(seed: u64, n: usize) -> Vec<usize> {
    let words = threefry(seed, n);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| words[i]);
    order
}

/// The first words of Threefry-2x32-20 on the counters (0, 0), (1, 0), ... under the key `seed`.
fn threefry(seed: u64, len: usize) -> Vec<u32> {
    let (high, low) = ((seed >> 32) as u32, seed as u32);
    let keys = [high, low, high ^ low ^ 0x1BD1_1BDA];
    (0..len as u32)
        .map(|counter| {
            let (mut x, mut y) = (counter.wrapping_add(keys[0]), keys[1]);
            for (group, rotations) in [[13, 15, 26, 6], [17, 29, 16, 24]].iter().cycle().take(5).enumerate() {
                for &rotation in rotations {
                    x = x.wrapping_add(y);
                    y = y.rotate_left(rotation) ^ x;
                }
                let next = group + 1;
                x = x.wrapping_add(keys[next % 3]);
                y = y.wrapping_add(keys[(next + 1) % 3]).wrapping_add(next as u32);
            }
            x
        })
        .collect()
}

/// The start of Gillis and Kumar: with the SVD A = U S V' cut off after k - 1 terms and B = V', each row turned so
/// that its most negative entry is not larger than its most positive one, m_j = min(0, min_i B_ij), and
/// G' = [B - 1 m; -m] >= 0. Its least-squares partner explains A as well as the best approximation of rank k - 1.
///
/// A thousandth of the mean is added everywhere, because the multiplicative update never leaves zero. The rows of G'
/// still span the rows of B (their differences do), so the least-squares partner loses nothing.
///
/// a: `[d, n]`. Result: `[n, k]`, all entries positive; ones for k = 1 or A = 0.
pub fn svd<R: Real>(a: &Mat<R>, k: usize) -> Mat<R> {
    let n = a.ncols();
    let b = leading_right_vectors(a, k - 1);
    let least: Vec<R> =
        (0..n).map(|j| (0..k - 1).map(|i| b[(i, j)]).fold(R::zero(), |m, x| if x < m { x } else { m })).collect();
    let g = Mat::from_fn(n, k, |j, i| if i + 1 < k { b[(i, j)] - least[j] } else { -least[j] });
    let sum = (0..k).flat_map(|i| (0..n).map(move |j| (i, j))).fold(R::zero(), |sum, (i, j)| sum + g[(j, i)]);
    let mean = sum / R::from_f64((n * k) as f64);
    let lift = if mean > R::zero() { mean * R::from_f64(1e-3) } else { R::one() };
    Mat::from_fn(n, k, |j, i| g[(j, i)] + lift)
}

/// `[count, n]`: the right singular vectors of the largest singular values as rows, turned; zero rows where A has
/// fewer.
fn leading_right_vectors<R: Real>(a: &Mat<R>, count: usize) -> Mat<R> {
    let (d, n) = (a.nrows(), a.ncols());
    // A matrix without a thin SVD (NaN inside) is refused before; its start does not matter.
    let Ok(svd) = a.thin_svd() else {
        return Mat::zeros(count, n);
    };
    let v = svd.V();
    let available = count.min(d.min(n));
    let mut b = Mat::from_fn(count, n, |i, j| if i < available { v[(j, i)] } else { R::zero() });
    for i in 0..available {
        let (low, high) = (0..n).fold((R::zero(), R::zero()), |(low, high), j| {
            let x = b[(i, j)];
            (if x < low { x } else { low }, if x > high { x } else { high })
        });
        if low < -high {
            for j in 0..n {
                b[(i, j)] = -b[(i, j)];
            }
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ciphers_known_answer_comes_out() {
        // Random123's known answers: key (0, 0), counter (0, 0).
        assert_eq!(threefry(0, 1), [0x6b20_0159]);
    }

    #[test]
    fn a_permutation_names_every_position_once() {
        let mut order = permutation(3, 100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
