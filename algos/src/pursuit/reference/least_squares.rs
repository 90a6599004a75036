//! Least squares by QR, of any sign and non-negative.

use faer::Mat;
use tandem_verify::Real;

/// The z that makes |x - A z| least, for A `[d, n]` of full rank n <= d.
pub fn least_squares<R: Real>(a: &Mat<R>, x: &[R]) -> Vec<R> {
    let n = a.ncols();
    if n == 0 {
        return Vec::new();
    }
    let qr = a.qr();
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R().to_owned());
    let mut z: Vec<R> =
        (0..n).map(|j| x.iter().enumerate().fold(R::zero(), |sum, (i, &x)| sum + q[(i, j)] * x)).collect();
    for j in (0..n).rev() {
        let known = (j + 1..n).fold(z[j], |left, l| left - r[(j, l)] * z[l]);
        z[j] = known / r[(j, j)];
    }
    z
}

/// The squared distance of the column `b` from the span of the columns of A, of full rank; 0 where that is everything.
pub fn squared_distance<R: Real>(a: &Mat<R>, b: &Mat<R>) -> R {
    let (d, n) = (a.nrows(), a.ncols());
    if n >= d {
        return R::zero();
    }
    let joined = Mat::from_fn(d, n + 1, |i, j| if j < n { a[(i, j)] } else { b[(i, 0)] });
    let qr = joined.qr();
    let last = qr.thin_R()[(n, n)];
    last * last
}

/// The z >= 0 that makes |x - A z| least, by the active set method of Lawson and Hanson from a set of columns that is optimal
/// without the last one; gradients up to `slack` count as 0. Beside it how far the set is from being another: the smallest code
/// in use or magnitude of a gradient out of use.
pub fn nonnegative_least_squares<R: Real>(a: &Mat<R>, x: &[R], start: Vec<bool>, slack: R) -> (Vec<R>, R) {
    let n = a.ncols();
    let mut used = start;
    let on = |used: &[bool]| -> Vec<usize> { (0..n).filter(|&j| used[j]).collect() };
    let solve = |used: &[bool]| -> Vec<R> {
        let set = on(used);
        let part = Mat::from_fn(a.nrows(), set.len(), |i, j| a[(i, set[j])]);
        let mut z = vec![R::zero(); n];
        set.iter().zip(least_squares(&part, x)).for_each(|(&j, code)| z[j] = code);
        z
    };
    let gradient = |z: &[R]| -> Vec<R> {
        let left: Vec<R> = (0..x.len()).map(|i| (0..n).fold(x[i], |left, j| left - a[(i, j)] * z[j])).collect();
        (0..n).map(|j| left.iter().enumerate().fold(R::zero(), |sum, (i, &r)| sum + a[(i, j)] * r)).collect()
    };
    let mut z = solve(&used);
    // In exact arithmetic no set comes twice.
    for _ in 0..4 * n + 8 {
        let w = gradient(&z);
        let Some(j) = (0..n).filter(|&j| !used[j] && w[j] > slack).reduce(|i, j| if w[j] > w[i] { j } else { i })
        else {
            break;
        };
        used[j] = true;
        loop {
            let goal = solve(&used);
            let falling: Vec<usize> = on(&used).into_iter().filter(|&j| !(goal[j] > R::zero())).collect();
            if falling.is_empty() {
                z = goal;
                break;
            }
            let room = |j: usize| if z[j] == R::zero() { R::zero() } else { z[j] / (z[j] - goal[j]) };
            let far = falling.iter().map(|&j| room(j)).reduce(|x, y| if y < x { y } else { x }).unwrap_or(R::zero());
            let dropped: Vec<usize> = falling.iter().copied().filter(|&j| room(j) <= far).collect();
            z = z.iter().zip(&goal).map(|(&z, &goal)| z + far * (goal - z)).collect();
            for j in dropped {
                (used[j], z[j]) = (false, R::zero());
            }
        }
    }
    let w = gradient(&z);
    let margins = (0..n).map(|j| if used[j] { z[j].abs() } else { w[j].abs() });
    let margin = margins.reduce(|x, y| if y < x { y } else { x }).unwrap_or(R::one());
    (z, margin)
}
