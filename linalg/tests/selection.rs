//! `largest` and the powers of two, against sorting and against arithmetic.

use proptest::prelude::*;
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Element, HostArray, Tensor, jit};
use tandem_linalg::scale::{max_abs, power_of_two, sum_of_squares};
use tandem_linalg::select::largest;

fn marked<T: Element>(rows: usize, cols: usize, values: &[T], m: usize) -> Vec<bool> {
    let x = HostArray::new([rows, cols], values.to_vec()).unwrap();
    jit(|x: Tensor| largest(&x, m)).on(&Device::cpu().unwrap()).call(&x).unwrap()
}

/// The same by a stable sort of each row.
fn expected(cols: usize, values: &[f64], m: usize) -> Vec<bool> {
    values
        .chunks(cols)
        .flat_map(|row| {
            let mut order: Vec<usize> = (0..cols).collect();
            order.sort_by(|&p, &q| row[q].abs().total_cmp(&row[p].abs()));
            (0..cols).map(move |j| order[..m].contains(&j)).collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Small whole numbers: ties everywhere, zeros among them.
    #[test]
    fn ties_go_to_the_first(rows in 1..4usize, cols in 1..20usize, part in 0.0..1.0f64, seed in any::<u64>()) {
        let m = 1 + (part * cols as f64) as usize;
        let values: Vec<f64> =
            (1..=rows * cols).map(|i| (tandem_verify::rng::word(seed, i as u64) % 5) as f64 - 2.0).collect();
        let narrow: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        prop_assert_eq!(marked(rows, cols, &values, m.min(cols)), expected(cols, &values, m.min(cols)));
        prop_assert_eq!(marked(rows, cols, &narrow, m.min(cols)), expected(cols, &values, m.min(cols)));
    }

    #[test]
    fn numbers_of_any_size_are_ordered(values in proptest::collection::vec(-1e300..1e300f64, 17), m in 1..=17usize) {
        prop_assert_eq!(marked(1, 17, &values, m), expected(17, &values, m));
    }
}

/// Numbers over all decades, one infinity, NaN: the cases in which bisecting numbers is slowest or undefined.
#[test]
fn what_has_no_middle_is_selected_as_well() {
    let graded: Vec<f64> = (0..40).map(|i| 10f64.powi(i * 15 - 300) * if i % 2 == 0 { -1.0 } else { 1.0 }).collect();
    let neighbours: Vec<f64> = (0..40).map(|i| f64::from_bits(1f64.to_bits() + i % 7)).collect();
    let mut infinite = graded.clone();
    (infinite[7], infinite[30]) = (f64::NEG_INFINITY, f64::INFINITY);
    for values in [graded, neighbours, infinite, vec![0.0; 40], vec![f64::MAX; 40]] {
        for m in [1, 2, 17, 39, 40] {
            assert_eq!(marked(1, 40, &values, m), expected(40, &values, m), "{m} of {values:?}");
        }
    }
    let mut nan = vec![1.0; 40];
    (nan[5], nan[6]) = (f64::NAN, f64::NAN);
    let marked = marked(1, 40, &nan, 3);
    assert_eq!((0..40).filter(|&i| marked[i]).collect::<Vec<_>>(), [0, 5, 6]);
}

#[test]
fn powers_of_two_divide_exactly() {
    let device = Device::cpu().unwrap();
    let x = [1.0, 1.5, -3.0, 1e300, 1e-300, 0.0, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE, 5e-324];
    let powers: Vec<f64> = jit(|x: Tensor| power_of_two(&x)).on(&device).call(&x[..]).unwrap();
    for (x, power) in x.into_iter().zip(powers) {
        assert!(power.log2().fract() == 0.0 && power.is_finite(), "{x} gives {power}");
        if x.is_normal() {
            assert!((1.0..2.0).contains(&(x.abs() / power)), "{x} gives {power}");
        } else {
            assert_eq!(power, 1.0);
        }
    }
    let narrow: Vec<f32> = jit(|x: Tensor| power_of_two(&x)).on(&device).call(&[3e38f32, 1.2e-38, 0.75][..]).unwrap();
    assert_eq!(narrow, [2f32.powi(127), 2f32.powi(-126), 0.5]);
}

#[test]
fn the_largest_magnitude_tells_nan_and_infinity() {
    let device = Device::cpu().unwrap();
    for dtype in [DType::F32, DType::F64] {
        for (bad, finite) in [(f64::NAN, false), (f64::INFINITY, false), (-7.0, true)] {
            for at in [0, 5, 11] {
                let x = HostArray::from_fn([3, 4], |i| if i == at { bad } else { i as f64 / 4.0 }).cast(dtype).unwrap();
                let most: HostArray = jit(|x: Tensor| max_abs(&x)).on(&device).call(&x).unwrap();
                assert_eq!(most.to_f64()[0].is_finite(), finite);
                let sum: HostArray = jit(|x: Tensor| sum_of_squares(&x)).on(&device).call(&x).unwrap();
                let expected: f64 = x.to_f64().iter().map(|x| x * x).sum();
                assert!(!finite || sum.to_f64()[0] == expected);
            }
        }
    }
}
