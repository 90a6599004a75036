//! Random numbers as a pure function of a key: Threefry-2x32 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers:
//! as easy as 1, 2, 3", SC 2011), 20 rounds. The same key gives the same bits on every device.

use std::panic::Location;

use crate::dtype::DType;
use crate::graph::TensorType;
use crate::ops::constant::{iota, number};
use crate::trace::{Tensor, fail, void};

/// The rotation distances of Threefry-2x32, by round modulo 8 (table 2 of the paper).
const ROTATIONS: [i32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];
/// The constant that is mixed into the key's parity word.
const PARITY: u32 = 0x1BD1_1BDA;

/// A key from a seed: its high and low 32 bits.
pub fn key(seed: u64) -> (u32, u32) {
    ((seed >> 32) as u32, seed as u32)
}

/// `len` random u32 words: word i is the first output word of the cipher on the counter (i, 0).
#[track_caller]
pub fn bits(key: (u32, u32), len: usize) -> Tensor {
    // No closure: it would name this file as the line that wrote the operations.
    #[track_caller]
    fn word(value: u32) -> Tensor {
        number(f64::from(value), DType::U32)
    }
    let schedule = [key.0, key.1, key.0 ^ key.1 ^ PARITY];
    let mut x0 = iota([len], 0, DType::U32) + word(schedule[0]);
    let mut x1 = word(schedule[1]).broadcast_to([len]);
    for round in 0..20 {
        x0 = &x0 + &x1;
        let distance = ROTATIONS[round % 8];
        x1 = (x1.shift_left(distance) | x1.shift_right(32 - distance)) ^ &x0;
        if round % 4 == 3 {
            let injection = round / 4 + 1;
            x0 = x0 + word(schedule[injection % 3]);
            x1 = x1 + word(schedule[(injection + 1) % 3].wrapping_add(injection as u32));
        }
    }
    x0
}

/// Uniform numbers in `[0, 1)`: multiples of 2^-24, so that f32 and f64 hold the same ones; of 2^-11 in f16 and of
/// 2^-8 in bf16, which hold no finer ones near 1.
#[track_caller]
pub fn uniform(key: (u32, u32), shape: impl Into<Vec<usize>>, dtype: DType) -> Tensor {
    let shape = shape.into();
    let digits = match dtype {
        DType::F64 | DType::F32 => 24,
        DType::F16 => 11,
        DType::BF16 => 8,
        _ => {
            fail(Location::caller(), format!("uniform: floating-point numbers only, {dtype} asked for"));
            return void(TensorType::new(dtype, shape));
        }
    };
    let words = bits(key, shape.iter().product()).shift_right(32 - digits);
    (words.convert(dtype) * 2f64.powi(-digits)).reshape(shape)
}

/// A random order of `0..len` (i32): the positions that sort random words.
#[track_caller]
pub fn permutation(key: (u32, u32), len: usize) -> Tensor {
    bits(key, len).argsort(0, false)
}
