//! Values that depend on no input.

use tandem_compile::{DType, constant, eye, full, iota, number, ones, scalar, zeros};

use crate::{NUMBERS, array, assert_same, counting, rounded, run, run1};

#[test]
fn fillings_have_the_shape_dtype_and_number_asked_for() {
    for dtype in DType::ALL {
        for shape in [&[] as &[usize], &[0], &[1], &[3, 5]] {
            let found = run(&[], |_| {
                vec![zeros(shape, dtype), ones(shape, dtype), full(shape, 1.0, dtype), number(1.0, dtype)]
            });
            let n = shape.iter().product();
            assert_same("zeros", &found[0], &rounded(dtype, shape, &vec![0.0; n]));
            assert_same("ones", &found[1], &rounded(dtype, shape, &vec![1.0; n]));
            assert_same("full", &found[2], &found[1]);
            assert_same("number", &found[3], &rounded(dtype, &[], &[1.0]));
        }
    }
    assert_same("scalar", &run1(&[], |_| scalar(2.5f32)), &array(&[], &[2.5f32]));
    let value = counting(DType::I64, &[2, 3]);
    assert_same("constant", &run1(&[], |_| constant(&value)), &value);
}

#[test]
fn iota_counts_along_its_axis() {
    for dtype in NUMBERS {
        let found = run(&[], |_| vec![iota([2, 3], 0, dtype), iota([2, 3], 1, dtype), iota([0], 0, dtype)]);
        assert_same("rows", &found[0], &rounded(dtype, &[2, 3], &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]));
        assert_same("columns", &found[1], &rounded(dtype, &[2, 3], &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0]));
        assert_same("nothing", &found[2], &rounded(dtype, &[0], &[]));
    }
}

#[test]
fn the_identity_has_ones_on_its_diagonal() {
    for dtype in DType::ALL {
        for n in [0, 1, 3] {
            let expected: Vec<f64> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
            assert_same("eye", &run1(&[], |_| eye(n, dtype)), &rounded(dtype, &[n, n], &expected));
        }
    }
}
