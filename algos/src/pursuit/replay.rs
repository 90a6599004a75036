//! What a pursuit's choices imply, in plain f64: the residuals that follow when the atoms are given. What laws compare with.

use super::{Method, Pursuit, Selection};

/// One signal's pursuit with the choices of somebody else.
pub struct Replay {
    /// The residuals, before the first step and after each.
    pub residuals: Vec<Vec<f64>>,
    /// The products of unit atom and residual with which mp moved.
    pub moves: Vec<f64>,
    /// The smallest distance of a chosen atom from the span of those before it (omp); 1 for mp and gp.
    pub distance: f64,
}

/// Follows `steps` from `x`, with atoms of norm 1. None for non-negative omp and gp, which are not determined by choices alone.
pub fn replay(pursuit: &Pursuit, atoms: &[Vec<f64>], x: &[f64], steps: &[usize]) -> Option<Replay> {
    if pursuit.selection == Selection::Relu && pursuit.method != Method::Mp {
        return None;
    }
    let mut run = Replay { residuals: vec![x.to_vec()], moves: Vec::new(), distance: 1.0 };
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let mut set: Vec<usize> = Vec::new();
    let mut r = x.to_vec();
    for &j in steps {
        match pursuit.method {
            Method::Mp => {
                let c = dot(&atoms[j], &r);
                subtract(&mut r, c, &atoms[j]);
                run.moves.push(c);
            }
            Method::Gp => {
                if !set.contains(&j) {
                    set.push(j);
                }
                let mut c = vec![0.0; x.len()];
                set.iter().for_each(|&m| subtract(&mut c, -dot(&atoms[m], &r), &atoms[m]));
                let a = dot(&r, &c) / dot(&c, &c);
                subtract(&mut r, a, &c);
            }
            Method::Omp => {
                // Twice is enough (Kahan and Parlett).
                let mut q = atoms[j].clone();
                for _ in 0..2 {
                    basis.iter().for_each(|other| project_out(&mut q, other));
                }
                let distance = dot(&q, &q).sqrt();
                run.distance = run.distance.min(distance);
                q.iter_mut().for_each(|q| *q /= distance);
                basis.push(q);
                r = x.to_vec();
                for _ in 0..2 {
                    basis.iter().for_each(|q| project_out(&mut r, q));
                }
            }
        }
        run.residuals.push(r.clone());
    }
    Some(run)
}

/// The sum of the products.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// x - c y in the place of x.
fn subtract(x: &mut [f64], c: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x -= c * y);
}

/// What of x is orthogonal to q, of norm 1, in the place of x.
fn project_out(x: &mut [f64], q: &[f64]) {
    let product = dot(q, x);
    subtract(x, product, q);
}
