//! Stable sorting along one axis.

use std::cmp::Ordering;

use tandem_compile::{DType, HostArray, sort_by_key};

use crate::{array, assert_same, rounded, run, vector};

const KEYS: [f64; 11] = [3.0, f64::NAN, -0.0, 1.0, 0.0, f64::NEG_INFINITY, 3.0, -f64::NAN, -0.0, f64::INFINITY, 1.0];

/// Positions in sorted order, by Rust's stable sort: NaN last either way, -0 as good as +0.
fn order(keys: &[f64], descending: bool) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..keys.len()).collect();
    positions.sort_by(|&i, &j| {
        let (x, y) = (keys[i], keys[j]);
        let by_value = if descending { y.partial_cmp(&x) } else { x.partial_cmp(&y) };
        by_value.unwrap_or_else(|| x.is_nan().cmp(&y.is_nan())).then(Ordering::Equal)
    });
    positions
}

#[test]
fn sorting_is_stable_with_nan_last_and_minus_zero_equal_to_zero() {
    for dtype in DType::ALL {
        for n in [0, 1, 2, KEYS.len()] {
            let keys: Vec<f64> =
                KEYS[..n].iter().map(|x| if dtype.is_float() { *x } else { x.abs().min(9.0) }).collect();
            let x = rounded(dtype, &[n], &keys);
            let found =
                run(std::slice::from_ref(&x), |t| vec![t[0].sort(0), t[0].argsort(0, false), t[0].argsort(0, true)]);
            let keys = x.to_f64();
            let (up, down) = (order(&keys, false), order(&keys, true));
            let sorted: Vec<f64> = up.iter().map(|&i| keys[i]).collect();
            assert_same("sort", &found[0], &rounded(dtype, &[n], &sorted));
            assert_same("argsort", &found[1], &vector(&up.iter().map(|&i| i as i32).collect::<Vec<_>>()));
            assert_same("descending", &found[2], &vector(&down.iter().map(|&i| i as i32).collect::<Vec<_>>()));
        }
    }
}

#[test]
fn every_line_along_the_axis_is_sorted_by_itself() {
    let x = array(&[2, 3], &[3, 1, 2, 0, 5, -4]);
    let found = run(&[x], |t| vec![t[0].sort(0), t[0].sort(1), t[0].argsort(0, true)]);
    assert_same("down", &found[0], &array(&[2, 3], &[0, 1, -4, 3, 5, 2]));
    assert_same("across", &found[1], &array(&[2, 3], &[1, 2, 3, -4, 0, 5]));
    assert_same("argsort down", &found[2], &array(&[2, 3], &[0, 1, 0, 1, 0, 1]));
}

#[test]
fn arrays_of_other_types_move_with_their_keys() {
    let arguments: [HostArray; 3] =
        [vector(&[2u32, 1, 2, 0]), vector(&[0.5, 1.5, 2.5, 3.5]), vector(&[true, false, false, true])];
    let found = run(&arguments, |t| sort_by_key(&[&t[0], &t[1], &t[2]], 0, true));
    assert_same("keys", &found[0], &vector(&[2u32, 2, 1, 0]));
    assert_same("numbers", &found[1], &vector(&[0.5, 2.5, 1.5, 3.5]));
    assert_same("truths", &found[2], &vector(&[true, false, false, true]));
}

#[test]
fn unsigned_keys_above_the_signed_range_come_last() {
    let found = run(&[vector(&[u32::MAX, 1, 1 << 31])], |t| vec![t[0].sort(0)]);
    assert_same("sort", &found[0], &vector(&[1, 1 << 31, u32::MAX]));
}
