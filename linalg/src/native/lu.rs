//! A[permutation] = L U.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::{Mat, Par};
use tandem_compile::native::{Call, HostKernel};

use super::layout::{columns_of, write};
use super::problems::{Size, threads};
use super::{Number, by_dtype};

pub(super) struct Lu;

impl HostKernel for Lu {
    const NAME: &'static str = "tandem_lu";

    fn run(call: &mut Call<'_>) -> Result<(), String> {
        by_dtype!(call, lu)
    }
}

fn lu<T: Number>(call: &mut Call<'_>) -> Result<(), String> {
    let Size { problems, m, n } = Size::of(call, 0)?;
    let (a, factors, permutations) = (call.argument::<T>(0)?, call.result::<T>(0)?, call.result::<i32>(1)?);
    let par = threads(m * n * m.min(n));
    for at in 0..problems {
        let matrix = at * m * n..(at + 1) * m * n;
        let (a, factors) = (&a[matrix.clone()], &mut factors[matrix]);
        let permutation = &mut permutations[at * m..][..m];
        match a.iter().all(|x| x.is_number()) {
            true => factor(a, (m, n), factors, permutation, par),
            false => {
                factors.fill(T::nan_impl());
                in_order(permutation);
            }
        }
    }
    Ok(())
}

fn in_order(permutation: &mut [i32]) {
    permutation.iter_mut().zip(0..).for_each(|(row, at)| *row = at);
}

fn factor<T: Number>(a: &[T], (m, n): (usize, usize), factors: &mut [T], permutation: &mut [i32], par: Par) {
    let mut matrix = columns_of(a, m, n);
    let (mut forward, mut inverse) = (vec![0u32; m], vec![0u32; m]);
    let mut buffer = MemBuffer::new(lu_in_place_scratch::<u32, T>(m, n, par, Default::default()));
    let stack = MemStack::new(&mut buffer);
    lu_in_place(matrix.as_mut(), &mut forward, &mut inverse, par, stack, Default::default());
    // faer divides by a zero pivot; a pivot can only be zero, or have become NaN by one, in a singular matrix.
    let singular = (0..m.min(n)).any(|k| matrix[(k, k)] == T::zero_impl() || !matrix[(k, k)].is_number());
    if singular {
        matrix = columns_of(a, m, n);
        forward = passing_over_zeros(&mut matrix);
    }
    write(factors, matrix.as_ref());
    permutation.iter_mut().zip(forward).for_each(|(row, from)| *row = from as i32);
}

/// Elimination column by column, which leaves a column without a pivot as it is (LAPACK's getf2); the order of the rows.
fn passing_over_zeros<T: Number>(a: &mut Mat<T>) -> Vec<u32> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut order: Vec<u32> = (0..m as u32).collect();
    for k in 0..m.min(n) {
        let size = |i: usize| a[(i, k)].wide().abs();
        let pivot = (k + 1..m).fold(k, |best, i| if size(i) > size(best) { i } else { best });
        if size(pivot) == 0.0 {
            continue;
        }
        order.swap(k, pivot);
        for j in 0..n {
            (a[(k, j)], a[(pivot, j)]) = (a[(pivot, j)], a[(k, j)]);
        }
        for i in k + 1..m {
            a[(i, k)] = a[(i, k)] / a[(k, k)];
        }
        for j in k + 1..n {
            for i in k + 1..m {
                a[(i, j)] = a[(i, j)] - a[(i, k)] * a[(k, j)];
            }
        }
    }
    order
}
