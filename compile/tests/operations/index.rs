//! Reading and writing at computed positions.

use tandem_compile::{DType, HostArray, Tensor, TensorType, jvp, trace, vjp};

use crate::{array, assert_same, counting, rounded, run, run1, vector};

/// The integer types that a position may have, with one number in each.
fn positions(value: i32) -> Vec<HostArray> {
    let mut all = vec![HostArray::scalar(value), HostArray::scalar(i64::from(value))];
    all.extend(u32::try_from(value).ok().map(HostArray::scalar));
    all
}

#[test]
fn a_window_that_would_leave_the_array_is_moved_inside() {
    for dtype in DType::ALL {
        let x = counting(dtype, &[4, 5]);
        for (row, column) in [(0, 0), (1, 2), (3, 4), (100, i32::MAX), (-1, i32::MIN)] {
            let (rows, columns) = (positions(row), positions(column));
            let arguments = [vec![x.clone()], rows.clone(), columns].concat();
            let windows = run(&arguments, |t| {
                let (rows, columns) = t[1..].split_at(rows.len());
                rows.iter().zip(columns).map(|(i, j)| t[0].dynamic_slice(&[i, j], [2, 3])).collect()
            });
            let (i, j) = (row.clamp(0, 2) as usize, column.clamp(0, 2) as usize);
            let expected: Vec<f64> = (0..6).map(|k| x.to_f64()[(i + k / 3) * 5 + j + k % 3]).collect();
            for window in windows {
                assert_same("dynamic_slice", &window, &rounded(dtype, &[2, 3], &expected));
            }
        }
    }
}

#[test]
fn an_update_that_would_leave_the_array_is_moved_inside() {
    let (x, update) = (counting(DType::F32, &[3, 4]), array(&[2, 2], &[-1f32, -2.0, -3.0, -4.0]));
    for (row, column) in [(0, 0), (1, 1), (7, -7), (i32::MIN, i32::MAX)] {
        let arguments = [x.clone(), update.clone(), HostArray::scalar(row), HostArray::scalar(column)];
        let found = run1(&arguments, |t| t[0].dynamic_update_slice(&t[1], &[&t[2], &t[3]]));
        let (i, j) = (row.clamp(0, 1) as usize, column.clamp(0, 2) as usize);
        let mut expected = x.to_f64();
        for k in 0..4 {
            expected[(i + k / 2) * 4 + j + k % 2] = -1.0 - k as f64;
        }
        assert_same("dynamic_update_slice", &found, &rounded(DType::F32, &[3, 4], &expected));
    }
}

#[test]
fn windows_of_scalars_and_empty_windows_are_windows_too() {
    let x = HostArray::scalar(3.5);
    assert_same("a scalar", &run1(std::slice::from_ref(&x), |t| t[0].dynamic_slice(&[], [])), &x);
    let found = run1(&[x.clone(), HostArray::scalar(1.5)], |t| t[0].dynamic_update_slice(&t[1], &[]));
    assert_same("an updated scalar", &found, &HostArray::scalar(1.5));
    let found = run1(&[vector(&[1.0, 2.0]), HostArray::scalar(1)], |t| t[0].dynamic_slice(&[&t[1]], [0]));
    assert_same("an empty window", &found, &vector::<f64>(&[]));
}

#[test]
fn index_takes_one_position_of_one_axis_and_clamps_it() {
    let x = counting(DType::F64, &[3, 4]);
    for position in [-5, 0, 2, 9] {
        for at in positions(position) {
            let row = position.clamp(0, 2) as usize;
            let found = run1(&[x.clone(), at.clone()], |t| t[0].index(0, &t[1]));
            assert_same("a row", &found, &vector(&x.to_f64()[row * 4..row * 4 + 4]));
            let column = position.clamp(0, 3) as usize;
            let found = run1(&[x.clone(), at], |t| t[0].index(1, &t[1]));
            assert_same("a column", &found, &vector(&[column, column + 4, column + 8].map(|i| i as f64)));
        }
    }
}

#[test]
fn take_picks_slices_and_moves_positions_outside_to_the_nearest_end() {
    for dtype in DType::ALL {
        let x = counting(dtype, &[3, 4]);
        let indices = [2i64, 0, 2, -1, 3, 100, i64::MIN];
        let clamped = |size: i64| indices.map(|i| i.clamp(0, size - 1) as usize);
        let rows: Vec<f64> = clamped(3).iter().flat_map(|&i| x.to_f64()[i * 4..i * 4 + 4].to_vec()).collect();
        let found = run1(&[x.clone(), vector(&indices)], |t| t[0].take(&t[1], 0));
        assert_same("rows", &found, &rounded(dtype, &[7, 4], &rows));
        let columns: Vec<f64> = (0..3).flat_map(|row| clamped(4).map(|i| x.to_f64()[row * 4 + i])).collect();
        let found = run1(&[x.clone(), vector(&indices.map(|i| i.clamp(-9, 99) as i32))], |t| t[0].take(&t[1], 1));
        assert_same("columns", &found, &rounded(dtype, &[3, 7], &columns));
    }
    let found = run1(&[vector(&[1.0, 2.0]), vector(&[u32::MAX, 0])], |t| t[0].take(&t[1], 0));
    assert_same("unsigned positions", &found, &vector(&[2.0, 1.0]));
}

#[test]
fn taking_nothing_gives_nothing_even_from_nothing() {
    let none = vector::<i32>(&[]);
    let found = run1(&[counting(DType::F64, &[3, 4]), none.clone()], |t| t[0].take(&t[1], 0));
    assert_same("no rows", &found, &array::<f64>(&[0, 4], &[]));
    let found = run1(&[array::<f64>(&[0, 4], &[]), none], |t| t[0].take(&t[1], 0));
    assert_same("no rows of none", &found, &array::<f64>(&[0, 4], &[]));
    let found = run1(&[array::<f64>(&[3, 0], &[]), vector(&[1, 1])], |t| t[0].take(&t[1], 0));
    assert_same("empty rows", &found, &array::<f64>(&[2, 0], &[]));
}

#[test]
fn positions_of_any_shape_stand_in_the_place_of_the_axis() {
    let x = counting(DType::I32, &[2, 3]);
    let indices = array(&[2, 2], &[0i32, 2, 1, 1]);
    let found = run1(&[x.clone(), indices], |t| t[0].take(&t[1], 1));
    assert_same("a matrix of positions", &found, &array(&[2, 2, 2], &[0, 2, 1, 1, 3, 5, 4, 4]));
    let found = run1(&[x, HostArray::scalar(1)], |t| t[0].take(&t[1], 1));
    assert_same("a single position", &found, &vector(&[1, 4]));
}

#[test]
fn take_along_picks_by_the_order_of_sorting() {
    let x = array(&[2, 3], &[3.0, 1.0, 2.0, 5.0, 6.0, 4.0]);
    for axis in [0, 1] {
        let found =
            run(std::slice::from_ref(&x), |t| vec![t[0].take_along(&t[0].argsort(axis, false), axis), t[0].sort(axis)]);
        assert_same("sorted", &found[0], &found[1]);
    }
}

#[test]
fn updates_of_slices_are_combined_and_those_outside_are_dropped() {
    let arguments = [vector(&[1.0, 2.0, 3.0]), vector(&[2, 0, 2, -1, 3]), vector(&[10.0, 20.0, -30.0, 40.0, 50.0])];
    let found = run(&arguments, |t| {
        let (x, at, updates) = (&t[0], &t[1], &t[2]);
        vec![
            x.scatter_add(at, updates, 0),
            x.scatter_max(at, updates, 0),
            x.scatter_min(at, updates, 0),
            x.scatter_set(at, 7, 0),
        ]
    });
    assert_same("scatter_add", &found[0], &vector(&[21.0, 2.0, -17.0]));
    assert_same("scatter_max", &found[1], &vector(&[20.0, 2.0, 10.0]));
    assert_same("scatter_min", &found[2], &vector(&[1.0, 2.0, -30.0]));
    assert_same("scatter_set", &found[3], &vector(&[7.0, 2.0, 7.0]));
}

/// The tangent of a scatter and its cotangents, by the interpreter.
fn derivatives(arguments: &[HostArray], f: fn(&Tensor, &Tensor, &Tensor) -> Tensor) -> Vec<HostArray> {
    let types: Vec<TensorType> = arguments.iter().map(HostArray::ty).collect();
    let both = |(x, at, updates, dx, du): (Tensor, Tensor, Tensor, Tensor, Tensor)| {
        let g = |(x, updates): (Tensor, Tensor)| f(&x, &at, &updates);
        let (_, tangent) = jvp(g, (x.clone(), updates.clone()), (dx.clone(), du));
        (tangent, vjp(g, (x, updates)).1(dx))
    };
    let graph = trace(both, &types).unwrap_or_else(|error| panic!("{error}"));
    graph.eval(arguments).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_derivative_of_a_replaced_element_is_that_of_the_update_that_stays() {
    let (x, at, updates) = (vector(&[1.0, 2.0, 3.0]), vector(&[2, 0, 2, 5]), vector(&[4.0, 5.0, 6.0, 7.0]));
    let (dx, du) = (vector(&[0.1, 0.2, 0.3]), vector(&[10.0, 20.0, 30.0, 40.0]));
    let found = derivatives(&[x, at, updates, dx, du], |x, at, updates| x.scatter_set(at, updates, 0));
    assert_same("tangent", &found[0], &vector(&[20.0, 0.2, 30.0]));
    assert_same("cotangent of the array", &found[1], &vector(&[0.0, 0.2, 0.0]));
    assert_same("cotangent of the updates", &found[2], &vector(&[0.0, 0.1, 0.3, 0.0]));
}

#[test]
fn the_derivative_of_the_largest_is_shared_among_the_tied() {
    let (x, at, updates) =
        (vector(&[1.0, 2.0, 3.0]), vector(&[0, 0, 1, 2, 1, 9]), vector(&[4.0, 4.0, 2.0, 1.0, 0.0, 9.0]));
    let (dx, du) = (vector(&[8.0, 8.0, 8.0]), vector(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]));
    let found = derivatives(&[x, at, updates, dx, du], |x, at, updates| x.scatter_max(at, updates, 0));
    assert_same("tangent", &found[0], &vector(&[1.5, 6.0, 8.0]));
    assert_same("cotangent of the array", &found[1], &vector(&[0.0, 4.0, 8.0]));
    assert_same("cotangent of the updates", &found[2], &vector(&[4.0, 4.0, 4.0, 0.0, 0.0, 0.0]));
}
