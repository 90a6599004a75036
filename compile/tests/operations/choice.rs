//! Comparison, and choosing by it.

use tandem_compile::{Element, Tensor};

use crate::{array, assert_same, run, run1, vector};

type Row<T> = (&'static str, fn(&Tensor, &Tensor) -> Tensor, fn(&T, &T) -> bool);

fn check<T: Element + PartialOrd>(sample: &[T]) {
    let rows: [Row<T>; 6] = [
        ("eq", |x, y| x.eq(y), T::eq),
        ("ne", |x, y| x.ne(y), T::ne),
        ("lt", |x, y| x.lt(y), T::lt),
        ("le", |x, y| x.le(y), T::le),
        ("gt", |x, y| x.gt(y), T::gt),
        ("ge", |x, y| x.ge(y), T::ge),
    ];
    let n = sample.len();
    let arguments = [array(&[n, 1], sample), vector(sample)];
    let found = run(&arguments, |t| rows.iter().map(|row| row.1(&t[0], &t[1])).collect());
    for ((name, _, relation), found) in rows.iter().zip(found) {
        let expected: Vec<bool> = sample.iter().flat_map(|x| sample.iter().map(|y| relation(x, y))).collect();
        assert_same(name, &found, &array(&[n, n], &expected));
    }
}

#[test]
fn relations_are_rusts_on_every_dtype() {
    check(&[0.0, -0.0, 1.5, -1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    check(&[0.0f32, -0.0, 1.5, -1.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    check(&[0.0, -0.0, 1.5, f32::NAN].map(half::f16::from_f32));
    check(&[0.0, -0.0, 1.5, f32::NAN].map(half::bf16::from_f32));
    check(&[0i64, -1, i64::MIN, i64::MAX]);
    check(&[0i32, -1, i32::MIN, i32::MAX]);
    check(&[0u32, 1, 1 << 31, u32::MAX]);
    check(&[false, true]);
}

#[test]
fn select_takes_the_first_where_true_and_broadcasts_all_three() {
    let which = array(&[2, 1], &[true, false]);
    let (yes, no) = (vector(&[1.0, 2.0, 3.0]), vector(&[f64::NAN]));
    let found = run1(&[which, yes, no], |t| t[0].select(&t[1], &t[2]));
    assert_same("select", &found, &array(&[2, 3], &[1.0, 2.0, 3.0, f64::NAN, f64::NAN, f64::NAN]));
}

#[test]
fn select_takes_a_scalar_condition_and_a_number_on_either_side() {
    let arguments = [vector(&[true, false]), vector(&[7i32, 8]), array(&[], &[false])];
    let found = run(&arguments, |t| vec![t[0].select(&t[1], -1), t[0].select(0, &t[1]), t[2].select(&t[1], 5)]);
    for (found, expected) in found.iter().zip([[7, -1], [0, 8], [5, 5]]) {
        assert_same("select", found, &vector(&expected));
    }
}
