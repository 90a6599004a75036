//! Derivatives where there is a choice to make: the numbers are those that JAX gives.

use tandem_compile::pjrt::Device;
use tandem_compile::{Tensor, grad, jit, sort_by_key};

/// With weights that tell which element a derivative went to.
const WEIGHTS: [f64; 6] = [1.0, 10.0, 100.0, 1000.0, 1e4, 1e5];
const TIES: [f64; 6] = [1.0, 2.0, 2.0, 1.0, 2.0, 0.0];

/// The gradient at `x` of the sum of the results, each times its weight.
fn gradient(x: &[f64], f: impl Fn(&Tensor) -> Tensor + 'static) -> Vec<f64> {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let weighted = jit(move |(x, weights): (Tensor, Tensor)| {
        let sum = |x: Tensor| {
            let y = f(&x).reshape([f(&x).ty().len()]);
            (&y * weights.slice(0, 0, y.ty().len())).sum()
        };
        grad(sum)(x)
    });
    weighted.on(&device).call((x, &WEIGHTS[..])).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn extremes_that_tie_share_their_derivative() {
    let third = 1.0 / 3.0;
    assert_eq!(gradient(&TIES, Tensor::max), [0.0, third, third, 0.0, third, 0.0]);
    assert_eq!(gradient(&TIES, |x| -(-x).min()), [0.0, third, third, 0.0, third, 0.0]);
    let dx = gradient(&[f64::NAN, 0.0, 3.0], Tensor::max);
    assert!(dx.iter().all(|dx| dx.is_nan()), "{dx:?}");
}

#[test]
fn running_extremes_that_tie_share_it_as_their_tree_has_it() {
    assert_eq!(gradient(&TIES, |x| x.cummax(0)), [1.0, 28060.0, 28050.0, 0.0, 55000.0, 0.0]);
    assert_eq!(gradient(&TIES, |x| x.cummin(0)), [5611.0, 0.0, 0.0, 5500.0, 0.0, 1e5]);
    assert_eq!(gradient(&TIES, |x| x.cummax_reverse(0)), [0.0, 5.5, 52.75, 0.0, 11052.75, 1e5]);
}

#[test]
fn the_first_extreme_in_a_window_has_its_derivative() {
    assert_eq!(gradient(&TIES, |x| x.window_max([2], [1], [(0, 0)])), [0.0, 11.0, 100.0, 0.0, 11000.0, 0.0]);
    assert_eq!(gradient(&TIES, |x| x.window_min([2], [1], [(0, 0)])), [1.0, 10.0, 0.0, 1100.0, 0.0, 1e4]);
}

#[test]
fn what_is_sorted_takes_its_derivative_along_also_where_elements_tie() {
    assert_eq!(gradient(&TIES, |x| x.sort(0)), [10.0, 1000.0, 1e4, 100.0, 1e5, 1.0]);
    assert_eq!(gradient(&TIES, |x| x.top_k(3).0), [0.0, 1.0, 10.0, 0.0, 100.0, 0.0]);
    let carried = |x: &Tensor| sort_by_key(&[&x.slice(0, 3, 6), &x.slice(0, 0, 3)], 0, false).swap_remove(1);
    assert_eq!(gradient(&TIES, carried), [10.0, 100.0, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn products_have_derivatives_at_zeros() {
    assert_eq!(gradient(&[2.0, 0.0, 3.0], Tensor::product), [0.0, 6.0, 0.0]);
    assert_eq!(gradient(&[0.0, 0.0, 3.0], Tensor::product), [0.0, 0.0, 0.0]);
    assert_eq!(gradient(&[2.0, 0.0, 3.0], |x| x.cumprod(0)), [1.0, 620.0, 0.0]);
}

#[test]
fn not_a_number_counts_as_infinity_among_the_largest() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let top = jit(|x: Tensor| x.top_k(5)).on(&device);
    let (values, positions): (Vec<f64>, Vec<i32>) =
        top.call(&[0.0, inf, -0.0, nan, inf, -nan][..]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(positions, [1, 3, 4, 5, 0]);
    assert!(values[0] == inf && values[1].is_nan() && values[2] == inf && values[3].is_nan() && values[4] == 0.0);
}
