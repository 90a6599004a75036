//! Random numbers as a pure function of a key: Threefry-2x32 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers:
//! as easy as 1, 2, 3", SC 2011), 20 rounds. The same key gives the same bits on every device.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::TensorType;
use crate::ops::constant::{iota, number};
use crate::ops::join::concatenate;
use crate::trace::{Tensor, fail, void};

/// The rotation distances of Threefry-2x32, by round modulo 8 (table 2 of the paper).
const ROTATIONS: [i32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];
/// The constant that is mixed into the key's parity word.
const PARITY: u32 = 0x1BD1_1BDA;

/// What determines all random numbers: two words known when the program is traced, or a tensor `u32[2]` of them.
pub trait Key {
    /// The two words, scalars.
    #[track_caller]
    fn words(&self) -> [Tensor; 2];
}

impl Key for (u32, u32) {
    #[track_caller]
    fn words(&self) -> [Tensor; 2] {
        [word(self.0), word(self.1)]
    }
}

impl Key for Tensor {
    #[track_caller]
    fn words(&self) -> [Tensor; 2] {
        if *self.ty() != TensorType::new(DType::U32, [2]) {
            fail(Location::caller(), format!("random: a key is u32[2], got {}", self.ty()));
            return [word(0), word(0)];
        }
        [self.slice(0, 0, 1).reshape([]), self.slice(0, 1, 2).reshape([])]
    }
}

impl<K: Key> Key for &K {
    #[track_caller]
    fn words(&self) -> [Tensor; 2] {
        (**self).words()
    }
}

/// A key from a seed: its high and low 32 bits.
pub fn key(seed: u64) -> (u32, u32) {
    ((seed >> 32) as u32, seed as u32)
}

#[track_caller]
fn word(value: u32) -> Tensor {
    number(f64::from(value), DType::U32)
}

/// The cipher: 20 rounds on the counter words, under the key's words.
#[track_caller]
fn threefry(key: &impl Key, x0: &Tensor, x1: &Tensor) -> [Tensor; 2] {
    let [k0, k1] = key.words();
    let schedule = [k0.clone(), k1.clone(), k0 ^ k1 ^ word(PARITY)];
    let (mut x0, mut x1) = (x0 + &schedule[0], x1 + &schedule[1]);
    for round in 0..20 {
        x0 = &x0 + &x1;
        let distance = ROTATIONS[round % 8];
        x1 = (x1.shift_left(distance) | x1.shift_right(32 - distance)) ^ &x0;
        if round % 4 == 3 {
            let injection = round / 4 + 1;
            x0 = x0 + &schedule[injection % 3];
            x1 = x1 + (&schedule[(injection + 1) % 3] + word(injection as u32));
        }
    }
    [x0, x1]
}

/// `len` random u32 words: word i is the first output word of the cipher on the counter (i, 0).
#[track_caller]
pub fn bits(key: impl Key, len: usize) -> Tensor {
    let [first, _] = threefry(&key, &iota([len], 0, DType::U32), &word(0).broadcast_to([len]));
    first
}

/// `count` new keys, `u32[count, 2]`, independent of each other and of the numbers that are drawn from `key`: row i is
/// the cipher on the counter (i, 1).
#[track_caller]
pub fn split(key: impl Key, count: usize) -> Tensor {
    let [x0, x1] = threefry(&key, &iota([count], 0, DType::U32), &word(1).broadcast_to([count]));
    concatenate(&[&x0.reshape([count, 1]), &x1.reshape([count, 1])], 1)
}

/// A new key, `u32[2]`, for each value of `data` (an integer scalar): the cipher on the counter (data, 2). What a loop
/// draws numbers from: `fold_in(key, &i)`.
#[track_caller]
pub fn fold_in(key: impl Key, data: &Tensor) -> Tensor {
    if data.ndim() != 0 || !data.dtype().is_integer() {
        fail(Location::caller(), format!("fold_in: an integer scalar expected, got {}", data.ty()));
        return void(TensorType::new(DType::U32, [2]));
    }
    let [x0, x1] = threefry(&key, &data.convert(DType::U32), &word(2));
    concatenate(&[&x0.reshape([1]), &x1.reshape([1])], 0)
}

/// Uniform numbers in `[0, 1)`: multiples of 2^-24, so that f32 and f64 hold the same ones; of 2^-11 in f16 and of
/// 2^-8 in bf16, which hold no finer ones near 1.
#[track_caller]
pub fn uniform(key: impl Key, shape: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    let shape = shape.into();
    let digits = match dtype {
        DType::F64 | DType::F32 => 24,
        DType::F16 => 11,
        DType::BF16 => 8,
        _ => return no_floats("uniform", shape, dtype),
    };
    let words = bits(key, shape.iter().product()).shift_right(32 - digits);
    (words.convert(dtype) * 2f64.powi(-digits)).reshape(shape)
}

/// Normal numbers, of mean 0 and variance 1: sqrt(2) erf_inv(u) of numbers u spaced evenly in (-1, 1), 2^23 of them in
/// f32 (so that none lies further out than 5.4) and 2^52 in f64 (8.2). f16 and bf16 are rounded from f32.
#[track_caller]
pub fn normal(key: impl Key, shape: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    let shape = shape.into();
    let len = shape.iter().product();
    let u = match dtype {
        DType::F64 => {
            // 26 bits from each of two words: an even 53-bit number, plus 1.
            let words = bits(key, 2 * len).shift_right(6).convert(DType::F64);
            let (high, low) = (words.slice(0, 0, len), words.slice(0, len, 2 * len));
            (high * 2f64.powi(27) + low * 2.0 + (1.0 - 2f64.powi(52))) * 2f64.powi(-52)
        }
        DType::F32 | DType::F16 | DType::BF16 => {
            let words = bits(key, len).shift_right(9).convert(DType::F32);
            (words * 2.0 + (1.0 - 2f64.powi(23))) * 2f64.powi(-23)
        }
        _ => return no_floats("normal", shape, dtype),
    };
    (u.erf_inv() * std::f64::consts::SQRT_2).convert(dtype).reshape(shape)
}

/// Whole numbers in `low..high` (i32), each as likely as any other up to one part in 2^32 / (high - low).
#[track_caller]
pub fn integers(key: impl Key, shape: impl Into<Vec<usize>>, low: i32, high: i32) -> Tensor {
    let shape = shape.into();
    let count = i64::from(high) - i64::from(low);
    if count <= 0 {
        fail(Location::caller(), format!("integers: there is no number in {low}..{high}"));
        return void(TensorType::new(DType::I32, shape));
    }
    // The high word of the product of a random word with the number of values.
    let words = bits(key, shape.iter().product()).convert(DType::I64);
    let scaled = (words * number(count as f64, DType::I64)).shift_right(32);
    (scaled + number(f64::from(low), DType::I64)).convert(DType::I32).reshape(shape)
}

/// A random order of `0..len` (i32): the positions that sort random words.
#[track_caller]
pub fn permutation(key: impl Key, len: usize) -> Tensor {
    bits(key, len).argsort(0, false)
}

/// `count` of the numbers `0..len` (i32), each as likely as any other; without `replace`, all different.
#[track_caller]
pub fn choice(key: impl Key, len: usize, count: usize, replace: bool) -> Tensor {
    let fits = i32::try_from(len).is_ok_and(|len| len > 0 || count == 0);
    if !fits || (!replace && count > len) {
        fail(Location::caller(), format!("choice: {count} of {len} numbers cannot be chosen"));
        return void(TensorType::new(DType::I32, [count]));
    }
    match replace {
        true => integers(key, [count], 0, (len as i32).max(1)),
        false => permutation(key, len).slice(0, 0, count),
    }
}

#[track_caller]
fn no_floats(name: &str, shape: Vec<usize>, dtype: DType) -> Tensor {
    fail(Location::caller(), format!("{name}: floating-point numbers only, {dtype} asked for"));
    void(TensorType::new(dtype, shape))
}
