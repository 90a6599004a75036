//! From many elements to one.

use tandem_compile::{DType, HostArray, Tensor};

use crate::{FLOATS, NUMBERS, array, assert_same, rounded, run, run1, vector};

/// The method along axes, the method over all, how two numbers combine, and what nothing gives.
type Row = (&'static str, fn(&Tensor, Vec<usize>) -> Tensor, fn(&Tensor) -> Tensor, fn(f64, f64) -> f64, f64);

const ROWS: [Row; 4] = [
    ("sum", |x, axes| x.sum_axes(axes), |x| x.sum(), |a, b| a + b, 0.0),
    ("product", |x, axes| x.product_axes(axes), |x| x.product(), |a, b| a * b, 1.0),
    ("max", |x, axes| x.max_axes(axes), |x| x.max(), f64::max, f64::NEG_INFINITY),
    ("min", |x, axes| x.min_axes(axes), |x| x.min(), f64::min, f64::INFINITY),
];

/// `x` of shape [a, b, c] reduced along `axes`, by three loops; without the axes reduced.
fn reduced(x: &HostArray, axes: &[usize], combine: fn(f64, f64) -> f64, nothing: f64) -> HostArray {
    let &[a, b, c] = x.shape() else { unreachable!() };
    let kept: Vec<usize> = (0..3).filter(|axis| !axes.contains(axis)).collect();
    let shape: Vec<usize> = kept.iter().map(|&axis| x.shape()[axis]).collect();
    let mut out = vec![nothing; shape.iter().product()];
    for i in 0..a {
        for j in 0..b {
            for k in 0..c {
                let at = kept.iter().fold(0, |at, &axis| at * x.shape()[axis] + [i, j, k][axis]);
                out[at] = combine(out[at], x.to_f64()[(i * b + j) * c + k]);
            }
        }
    }
    // Rust's conversion of an infinity to an integer is the last one, which is the identity there.
    rounded(x.dtype(), &shape, &out)
}

#[test]
fn reductions_combine_the_elements_along_any_axes() {
    for dtype in NUMBERS {
        for shape in [[2, 3, 3], [1, 1, 1], [2, 0, 3], [0, 2, 1]] {
            // Factors of 1 and 2 and few summands: every sum and product is exact.
            let values: Vec<f64> =
                (0..shape.iter().product()).map(|i: usize| if i % 4 == 1 { 2.0 } else { 1.0 }).collect();
            let x = rounded(dtype, &shape, &values);
            let subsets: Vec<Vec<usize>> =
                (0..8).map(|set| (0..3).filter(|axis| set >> axis & 1 == 1).collect()).collect();
            let found = run(std::slice::from_ref(&x), |t| {
                let each = |(_, along, over, ..): &Row| -> Vec<Tensor> {
                    subsets.iter().map(|axes| along(&t[0], axes.clone())).chain([over(&t[0])]).collect()
                };
                ROWS.iter().flat_map(each).collect()
            });
            for ((name, _, _, combine, nothing), found) in ROWS.iter().zip(found.chunks(subsets.len() + 1)) {
                for (found, axes) in found.iter().zip(subsets.iter().chain([&vec![0, 1, 2]])) {
                    assert_same(name, found, &reduced(&x, axes, *combine, *nothing));
                }
            }
        }
    }
}

#[test]
fn a_scalar_reduces_to_itself() {
    let found = run(&[HostArray::scalar(2.5)], |t| vec![t[0].sum(), t[0].product(), t[0].max(), t[0].min()]);
    assert!(found.iter().all(|x| *x == HostArray::scalar(2.5)), "{found:?}");
}

#[test]
fn extremes_are_nan_if_there_is_one_wherever_it_stands() {
    for dtype in FLOATS {
        for n in [1, 2, 3, 8, 33, 100] {
            for at in [0, n / 2, n - 1] {
                let values: Vec<f64> = (0..n).map(|i| if i == at { f64::NAN } else { i as f64 }).collect();
                let found = run(&[rounded(dtype, &[n], &values)], |t| vec![t[0].max(), t[0].min()]);
                assert!(found.iter().all(|x| x.to_f64()[0].is_nan()), "{n} elements, NaN at {at}: {found:?}");
            }
        }
    }
}

#[test]
fn any_and_all_of_truth_values() {
    let x = array(&[3, 2], &[true, false, true, true, false, false]);
    let found = run(std::slice::from_ref(&x), |t| {
        vec![t[0].any_axes([1]), t[0].all_axes([1]), t[0].any(), t[0].all(), t[0].any_axes([0]), t[0].all_axes([0])]
    });
    assert_same("any", &found[0], &vector(&[true, true, false]));
    assert_same("all", &found[1], &vector(&[false, true, false]));
    assert_same("any of all", &found[2], &HostArray::scalar(true));
    assert_same("all of all", &found[3], &HostArray::scalar(false));
    assert_same("any down", &found[4], &vector(&[true, true]));
    assert_same("all down", &found[5], &vector(&[false, false]));
    let found = run(&[vector::<bool>(&[])], |t| vec![t[0].any(), t[0].all()]);
    assert_eq!(found, [HostArray::scalar(false), HostArray::scalar(true)]);
}

/// The first position of the extreme, of the first NaN if there is one.
fn first(values: &[f64], better: fn(&f64, &f64) -> bool) -> i32 {
    let nan = values.iter().position(|x| x.is_nan());
    nan.unwrap_or_else(|| (1..values.len()).fold(0, |best, i| if better(&values[i], &values[best]) { i } else { best }))
        as i32
}

#[test]
fn the_position_of_an_extreme_is_the_first_of_equals() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let rows: [[f64; 5]; 9] = [
        [3.0, 1.0, 3.0, 1.0, 2.0],
        [1.0, 1.0, 1.0, 1.0, 1.0],
        [0.0, 1.0, 2.0, 3.0, 4.0],
        [4.0, 3.0, 2.0, 1.0, 0.0],
        [-0.0, 0.0, -0.0, 0.0, 0.0],
        [-inf, -inf, -inf, -inf, -inf],
        [inf, inf, inf, inf, inf],
        [5.0, nan, 3.0, nan, inf],
        [nan, nan, nan, nan, nan],
    ];
    for dtype in DType::ALL {
        let usable = if dtype.is_float() { rows.len() } else { 4 };
        let x = rounded(dtype, &[usable, 5], rows[..usable].as_flattened());
        let found = run(std::slice::from_ref(&x), |t| vec![t[0].argmax(1), t[0].argmin(1), t[0].argmax(0)]);
        let values = x.to_f64();
        let by_row = |better| values.chunks(5).map(|row| first(row, better)).collect::<Vec<i32>>();
        assert_same("argmax", &found[0], &vector(&by_row(f64::gt)));
        assert_same("argmin", &found[1], &vector(&by_row(f64::lt)));
        let column = |j| (0..usable).map(|i| values[i * 5 + j]).collect::<Vec<f64>>();
        let by_column: Vec<i32> = (0..5).map(|j| first(&column(j), f64::gt)).collect();
        assert_same("argmax down", &found[2], &vector(&by_column));
    }
}

#[test]
fn the_first_nan_is_found_in_long_arrays_too() {
    let mut values = vec![1.0; 10_000];
    (values[6_000], values[7_777]) = (f64::NAN, f64::NAN);
    assert_same("argmax", &run1(&[vector(&values)], |t| t[0].argmax(0)), &HostArray::scalar(6_000));
}
