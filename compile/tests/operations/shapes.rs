//! The same elements in another arrangement.

use tandem_compile::{DType, HostArray, concatenate, stack};

use crate::{array, assert_same, counting, rounded, run, run1, vector};

/// The elements of `x` at the positions that `at` computes from those in the result.
fn picked(x: &HostArray, shape: &[usize], at: impl Fn(&[usize]) -> Vec<usize>) -> HostArray {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|flat: usize| {
            let mut rest = flat;
            let mut index: Vec<usize> = shape.iter().rev().map(|&n| (rest % n, rest /= n).0).collect();
            index.reverse();
            let flat = at(&index).iter().zip(x.shape()).fold(0, |flat, (i, n)| flat * n + i);
            x.to_f64()[flat]
        })
        .collect();
    rounded(x.dtype(), shape, &values)
}

#[test]
fn arrangements_move_the_elements_of_every_dtype() {
    for dtype in DType::ALL {
        for shape in [[2, 3, 4], [1, 1, 1], [0, 3, 4], [2, 0, 1]] {
            let x = counting(dtype, &shape);
            let [a, b, c] = shape;
            let found = run(std::slice::from_ref(&x), |t| {
                let x = &t[0];
                vec![
                    x.reshape([c, a * b]),
                    x.transpose([2, 0, 1]),
                    x.transpose([0, 1, 2]),
                    x.broadcast_to([2, a, b, c]),
                    x.broadcast_in_dim([a, 2, b, c], [0, 2, 3]),
                    x.slice(2, c / 2, c),
                    x.slice(1, 0, 0),
                    x.reverse([0, 2]),
                    x.reverse([]),
                    concatenate(&[x, x], 1),
                ]
            });
            let flat: Vec<f64> = x.to_f64();
            assert_same("reshape", &found[0], &rounded(dtype, &[c, a * b], &flat));
            assert_same("transpose", &found[1], &picked(&x, &[c, a, b], |i| vec![i[1], i[2], i[0]]));
            assert_same("transpose to itself", &found[2], &x);
            assert_same("broadcast_to", &found[3], &picked(&x, &[2, a, b, c], |i| i[1..].to_vec()));
            assert_same("broadcast_in_dim", &found[4], &picked(&x, &[a, 2, b, c], |i| vec![i[0], i[2], i[3]]));
            assert_same("slice", &found[5], &picked(&x, &[a, b, c - c / 2], |i| vec![i[0], i[1], i[2] + c / 2]));
            assert_same("empty slice", &found[6], &picked(&x, &[a, 0, c], <[usize]>::to_vec));
            assert_same("reverse", &found[7], &picked(&x, &shape, |i| vec![a - 1 - i[0], i[1], c - 1 - i[2]]));
            assert_same("reverse nothing", &found[8], &x);
            assert_same("concatenate", &found[9], &picked(&x, &[a, 2 * b, c], |i| vec![i[0], i[1] % b, i[2]]));
        }
    }
}

#[test]
fn scalars_become_arrays_and_arrays_of_one_become_scalars() {
    let found = run(&[HostArray::scalar(7u32)], |t| {
        let one = t[0].reshape([1, 1]);
        vec![one.reshape([]), t[0].broadcast_to([2]), t[0].transpose([]), t[0].broadcast_in_dim([1, 2], [])]
    });
    assert_same("reshape", &found[0], &HostArray::scalar(7u32));
    assert_same("broadcast_to", &found[1], &array(&[2], &[7u32, 7]));
    assert_same("transpose", &found[2], &HostArray::scalar(7u32));
    assert_same("broadcast_in_dim", &found[3], &array(&[1, 2], &[7u32, 7]));
}

#[test]
fn the_transpose_of_a_matrix_exchanges_its_axes() {
    for shape in [[2, 3], [1, 5], [0, 2]] {
        let x = counting(DType::I32, &shape);
        assert_same("t", &run1(std::slice::from_ref(&x), |t| t[0].t()), &x.transposed().unwrap());
    }
}

#[test]
fn axes_of_size_one_are_repeated() {
    let x = array(&[2, 1], &[1.0, 2.0]);
    let found = run1(&[x], |t| t[0].broadcast_to([3, 2, 2]));
    assert_same("broadcast_to", &found, &array(&[3, 2, 2], &[1.0, 1.0, 2.0, 2.0].repeat(3)));
}

#[test]
fn parts_of_any_size_continue_each_other() {
    let parts = [array(&[2, 1], &[1, 4]), array::<i32>(&[2, 0], &[]), array(&[2, 2], &[2, 3, 5, 6])];
    let found = run(&parts, |t| vec![concatenate(&[&t[0], &t[1], &t[2]], 1), concatenate(&[&t[2]], 0)]);
    assert_same("three", &found[0], &array(&[2, 3], &[1, 2, 3, 4, 5, 6]));
    assert_same("one", &found[1], &parts[2]);
}

#[test]
fn axes_come_and_go_and_move() {
    let x = counting(DType::F32, &[2, 3]);
    let found = run(std::slice::from_ref(&x), |t| {
        let x = &t[0];
        vec![
            x.expand_dims(1).squeeze(1),
            x.flatten(),
            x.expand_dims(0).move_axis(0, 2).squeeze(2),
            x.move_axis(1, 0),
            x.at_index(0, 1),
            x.at_index(1, -1),
            stack(&[&x.at_index(0, 0), &x.at_index(0, 1)], 0),
            stack(
                &x.split(1, 3).iter().map(|column| column.squeeze(1)).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
                1,
            ),
        ]
    });
    for same in [0, 2, 6, 7] {
        assert_same("as before", &found[same], &x);
    }
    assert_same("flatten", &found[1], &counting(DType::F32, &[6]));
    assert_same("move_axis", &found[3], &x.transposed().unwrap());
    assert_same("at_index", &found[4], &vector(&[3f32, 4.0, 5.0]));
    assert_same("at_index from the end", &found[5], &vector(&[2f32, 5.0]));
}

#[test]
fn padding_surrounds_intersperses_and_cuts_off() {
    let x = vector(&[1, 2]);
    let found = run(&[x, HostArray::scalar(9)], |t| {
        vec![
            t[0].pad(0, &[(1, 2, 3)]),
            t[0].pad(&t[1], &[(-1, 1, 1)]),
            t[0].pad(&t[1], &[(-3, 4, 0)]),
            t[0].slice_strided([0], [2], [2]),
        ]
    });
    assert_same("pad", &found[0], &vector(&[0, 1, 0, 0, 0, 2, 0, 0]));
    assert_same("cut off before", &found[1], &vector(&[9, 2, 9]));
    assert_same("cut off beyond the end", &found[2], &vector(&[9, 9, 9]));
    assert_same("slice_strided", &found[3], &vector(&[1]));
}
