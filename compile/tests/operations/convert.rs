//! Between element types.

use half::{bf16, f16};
use tandem_compile::{DType, HostArray};

use crate::{FLOATS, NUMBERS, assert_same, rounded, run, run1, vector};

/// `x` in `dtype`, on the device.
fn converted(x: &HostArray, dtype: DType) -> HostArray {
    run1(std::slice::from_ref(x), |t| t[0].convert(dtype))
}

#[test]
fn small_whole_numbers_are_the_same_in_every_type() {
    let whole = [0.0, 1.0, 2.0, 77.0, 128.0];
    for from in NUMBERS {
        let x = rounded(from, &[5], &whole);
        let found = run(std::slice::from_ref(&x), |t| DType::ALL.iter().map(|&to| t[0].convert(to)).collect());
        for (found, to) in found.iter().zip(DType::ALL) {
            assert_same(&format!("{from} to {to}"), found, &rounded(to, &[5], &whole));
        }
    }
}

#[test]
fn a_float_becomes_an_integer_by_truncation() {
    let values = [2.9, -2.9, 0.5, -0.5, -0.0, 100.999];
    for from in FLOATS {
        let x = rounded(from, &[6], &values);
        for to in [DType::I64, DType::I32] {
            let whole: Vec<f64> = x.to_f64().into_iter().map(f64::trunc).collect();
            assert_same("truncation", &converted(&x, to), &rounded(to, &[6], &whole));
        }
    }
    assert_same("to u32", &converted(&vector(&[4e9, 2.9]), DType::U32), &vector(&[4_000_000_000u32, 2]));
    assert_same("to i64", &converted(&vector(&[-9e15]), DType::I64), &vector(&[-9_000_000_000_000_000i64]));
}

#[test]
fn anything_but_zero_is_true() {
    let x = vector(&[0.0, -0.0, 0.5, -3.0, f64::NAN, f64::INFINITY, 1e-300]);
    let truth = [false, false, true, true, true, true, true];
    assert_same("floats", &converted(&x, DType::Bool), &vector(&truth));
    assert_same("integers", &converted(&vector(&[0, -2, 256]), DType::Bool), &vector(&[false, true, true]));
    assert_same("from bool", &converted(&vector(&[false, true]), DType::F16), &rounded(DType::F16, &[2], &[0.0, 1.0]));
}

#[test]
fn rounding_is_to_nearest_and_ties_go_to_even() {
    let tie = |digits: i32, k: f64| 1.0 + (2.0 * k + 1.0) * 2f64.powi(-digits);
    let even = |digits: i32, k: f64| 1.0 + (2.0 * k + if k % 2.0 == 0.0 { 0.0 } else { 2.0 }) * 2f64.powi(-digits);
    for (to, digits) in [(DType::F32, 24), (DType::F16, 11), (DType::BF16, 8)] {
        let ties: Vec<f64> = (0..4).map(|k| tie(digits, f64::from(k))).collect();
        let nearest: Vec<f64> = (0..4).map(|k| even(digits, f64::from(k))).collect();
        assert_same("ties", &converted(&vector(&ties), to), &rounded(to, &[4], &nearest));
        // Far enough from the tie to be seen in f32, by way of which the CPU goes to the narrow types.
        let above: Vec<f64> = ties.iter().map(|x| x + 2f64.powi(if to == DType::F32 { -45 } else { -20 })).collect();
        let up: Vec<f64> = ties.iter().map(|x| x + 2f64.powi(-digits)).collect();
        assert_same("beside ties", &converted(&vector(&above), to), &rounded(to, &[4], &up));
    }
}

#[test]
fn too_large_for_a_float_type_is_infinite_and_specials_stay() {
    let x = vector(&[1e300, -1e300, 65520.0, 65519.0, f64::INFINITY, f64::NAN, -0.0]);
    let half = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, 65504.0, f64::INFINITY, f64::NAN, -0.0];
    assert_same("f16", &converted(&x, DType::F16), &rounded(DType::F16, &[7], &half));
    let single = x.to_f64().into_iter().map(|x| x as f32).collect::<Vec<_>>();
    assert_same("f32", &converted(&x, DType::F32), &vector(&single));
}

#[test]
fn large_integers_round_to_the_nearest_float() {
    let x = [i64::MAX, i64::MIN, (1 << 53) + 1, (1 << 24) + 1, (1 << 25) + 3];
    assert_same("f64", &converted(&vector(&x), DType::F64), &vector(&x.map(|x| x as f64)));
    assert_same("f32", &converted(&vector(&x), DType::F32), &vector(&x.map(|x| x as f32)));
    assert_same("u32", &converted(&vector(&[u32::MAX, 16_777_217]), DType::F32), &vector(&[4294967296f32, 16777216.0]));
}

#[test]
fn integers_wrap_into_narrower_ones() {
    let x = [-1i64, 1 << 32, (1 << 31) + 5, i64::MIN];
    assert_same("i32", &converted(&vector(&x), DType::I32), &vector(&x.map(|x| x as i32)));
    assert_same("u32", &converted(&vector(&x), DType::U32), &vector(&x.map(|x| x as u32)));
    assert_same("i64", &converted(&vector(&[u32::MAX, 1]), DType::I64), &vector(&[i64::from(u32::MAX), 1]));
}

#[test]
fn bitcast_keeps_the_bits() {
    let double = [0.0, -0.0, 1.5, f64::NEG_INFINITY, f64::from_bits(0x7FF8_0000_0000_1234), 5e-324];
    let found = run(&[vector(&double)], |t| {
        let bits = t[0].bitcast(DType::I64);
        vec![bits.clone(), bits.bitcast(DType::F64)]
    });
    assert_same("f64 bits", &found[0], &vector(&double.map(|x| x.to_bits() as i64)));
    assert_eq!(
        found[1].values::<f64>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        double.map(f64::to_bits)
    );
    let single = [0.0f32, -0.0, f32::NAN, 1e-45];
    let found = run(&[vector(&single)], |t| vec![t[0].bitcast(DType::U32), t[0].bitcast(DType::I32)]);
    assert_same("f32 as u32", &found[0], &vector(&single.map(f32::to_bits)));
    assert_same("f32 as i32", &found[1], &vector(&single.map(|x| x.to_bits() as i32)));
    let half = [0x3C00u16, 0x8000, 0x7C00, 0x0001].map(f16::from_bits);
    let found = run1(&[vector(&half)], |t| t[0].bitcast(DType::BF16));
    assert_same("f16 as bf16", &found, &vector(&half.map(|x| bf16::from_bits(x.to_bits()))));
}
