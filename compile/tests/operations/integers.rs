//! Elementwise functions of integers and of truth values, to the bit.

use tandem_compile::{Element, Tensor};

use crate::{assert_same, run, run1, vector};

type Row<T> = (&'static str, fn(&Tensor, &Tensor) -> Tensor, fn(T, T) -> T);

fn check<T: Element>(pairs: &[(T, T)], rows: &[Row<T>]) {
    let (x, y): (Vec<T>, Vec<T>) = pairs.iter().copied().unzip();
    let found = run(&[vector(&x), vector(&y)], |t| rows.iter().map(|row| row.1(&t[0], &t[1])).collect());
    for ((name, _, function), found) in rows.iter().zip(found) {
        let expected: Vec<T> = pairs.iter().map(|&(x, y)| function(x, y)).collect();
        assert_same(name, &found, &vector(&expected));
    }
}

/// What signed and unsigned integers have in common; arithmetic wraps, shifts bring in zeros.
macro_rules! common {
    ($int:ty, $unsigned:ty) => {
        [
            ("neg", |x, _| -x, |x, _| x.wrapping_neg()),
            ("not", |x, _| !x, |x, _| !x),
            ("add", |x, y| x + y, |x, y| x.wrapping_add(y)),
            ("sub", |x, y| x - y, |x, y| x.wrapping_sub(y)),
            ("mul", |x, y| x * y, |x, y| x.wrapping_mul(y)),
            ("maximum", |x, y| x.maximum(y), |x, y| x.max(y)),
            ("minimum", |x, y| x.minimum(y), |x, y| x.min(y)),
            ("and", |x, y| x & y, |x, y| x & y),
            ("or", |x, y| x | y, |x, y| x | y),
            ("xor", |x, y| x ^ y, |x, y| x ^ y),
            ("shift_left", |x, _| x.shift_left(5), |x, _| x << 5),
            ("shift_right", |x, _| x.shift_right(5), |x, _| ((x as $unsigned) >> 5) as $int),
            ("shift_left by all", |x, _| x.shift_left(<$int>::BITS as i32), |_, _| 0),
            ("shift_right by all", |x, _| x.shift_right(<$int>::BITS as i32), |_, _| 0),
            // The divisor made odd: there is no quotient by zero to agree on.
            ("div", |x, y| x / (y | 1), |x, y| x.wrapping_div(y | 1)),
            ("rem", |x, y| x % (y | 1), |x, y| x.wrapping_rem(y | 1)),
        ]
    };
}

macro_rules! signed {
    ($int:ty, $unsigned:ty) => {
        let sample: [$int; 9] = [0, 1, -1, 2, -7, 100, 12345, <$int>::MAX, <$int>::MIN];
        let pairs: Vec<($int, $int)> = sample.iter().flat_map(|&x| sample.map(|y| (x, y))).collect();
        let rows: [Row<$int>; 16] = common!($int, $unsigned);
        check(&pairs, &rows);
        let rows: [Row<$int>; 2] =
            [("abs", |x, _| x.abs(), |x, _| x.wrapping_abs()), ("sign", |x, _| x.sign(), |x, _| x.signum())];
        check(&pairs, &rows);
    };
}

#[test]
fn i64_agrees_with_rusts() {
    signed!(i64, u64);
}

#[test]
fn i32_agrees_with_rusts() {
    signed!(i32, u32);
}

#[test]
fn u32_agrees_with_rusts() {
    let sample = [0u32, 1, 2, 7, 100, 0x8000_0000, 0x7FFF_FFFF, u32::MAX, 0xDEAD_BEEF];
    let pairs: Vec<(u32, u32)> = sample.iter().flat_map(|&x| sample.map(|y| (x, y))).collect();
    let rows: [Row<u32>; 16] = common!(u32, u32);
    check(&pairs, &rows);
}

#[test]
fn truth_values_follow_the_tables_of_logic() {
    let pairs = [(false, false), (false, true), (true, false), (true, true)];
    let rows: [Row<bool>; 4] = [
        ("and", |x, y| x & y, |x, y| x && y),
        ("or", |x, y| x | y, |x, y| x || y),
        ("xor", |x, y| x ^ y, |x, y| x != y),
        ("not", |x, _| !x, |x, _| !x),
    ];
    check(&pairs, &rows);
}

#[test]
fn shifts_by_a_tensor_move_each_element_by_its_own_distance() {
    let (x, by) = ([-1i32, -8, 1, 3], [0i32, 1, 31, 40]);
    let found = run1(&[vector(&x), vector(&by)], |t| t[0].shift_right(&t[1]));
    assert_same("shift_right", &found, &vector(&[-1, i32::MAX - 3, 0, 0]));
}
