//! Nodes and weights for the integral over a in [0, 1] of the derivative at a f^.

use super::Edges;

/// The largest n of [`Edges::GaussLegendre`].
pub const MOST: usize = 63;

impl Edges {
    /// The nodes a and their weights.
    pub fn nodes(&self) -> Vec<(f64, f64)> {
        match *self {
            Edges::Gradient => vec![(1.0, 1.0)],
            Edges::GaussLegendre(n) => gauss_legendre(n + 1),
            Edges::Trapezoidal(n) => trapezoidal(n),
        }
    }
}

/// The `count` nodes of Gauss and Legendre on [0, 1]: the roots of the Legendre polynomial, by Newton's method.
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    let node = |i: usize| {
        // A guess that is in the root's basin (Abramowitz and Stegun 22.16.6).
        let mut x = ((i as f64 + 0.75) / (n + 0.5) * std::f64::consts::PI).cos();
        let mut slope = 1.0;
        for _ in 0..64 {
            let (p, before) = legendre(count, x);
            slope = n * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        ((1.0 + x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).rev().map(node).collect()
}

/// The Legendre polynomials of degree `n` and `n - 1` at `x`.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut p, mut before) = (1.0, 0.0);
    for k in 1..=n {
        let k = k as f64;
        (p, before) = (((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k, p);
    }
    (p, before)
}

fn trapezoidal(n: usize) -> Vec<(f64, f64)> {
    if n == 0 {
        return vec![(0.5, 1.0)];
    }
    let e = 1e-3 / (n + 1) as f64;
    let weight = |i: usize| if i == 0 || i == n { 0.5 } else { 1.0 } / n as f64;
    (0..=n).map(|i| (e + (1.0 - 2.0 * e) * i as f64 / n as f64, weight(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integral(rule: Edges, degree: i32) -> f64 {
        rule.nodes().iter().map(|(a, w)| w * a.powi(degree)).sum()
    }

    #[test]
    fn gauss_and_legendre_are_exact_up_to_degree_2n_plus_1() {
        for n in [0, 1, 2, 4, 9, 30, MOST] {
            for degree in 0..=2 * n as i32 + 1 {
                let found = integral(Edges::GaussLegendre(n), degree);
                assert!((found * f64::from(degree + 1) - 1.0).abs() < 2e-13, "n = {n}, degree {degree}: {found}");
            }
            let beyond = integral(Edges::GaussLegendre(n), 2 * n as i32 + 2) * (2 * n + 3) as f64;
            assert!(n > 4 || (beyond - 1.0).abs() > 1e-9, "n = {n}: {beyond}");
        }
    }

    #[test]
    fn the_trapezoidal_rule_converges() {
        assert_eq!(Edges::Trapezoidal(0).nodes(), [(0.5, 1.0)]);
        assert!((integral(Edges::Trapezoidal(400), 2) - 1.0 / 3.0).abs() < 1e-5);
        assert!((integral(Edges::Trapezoidal(7), 0) - 1.0).abs() < 1e-15);
    }
}
