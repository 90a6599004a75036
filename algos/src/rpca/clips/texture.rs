//! What a scene is made of: five kinds of texture, from 0 to 1.

use tandem_compile::{DType, Tensor, iota, tree};

/// How many numbers a texture is chosen by.
pub(super) const CHANCES: usize = 4;

/// What a texture is made of.
#[derive(Debug, Clone)]
pub(super) struct Materials {
    /// What kind it is, and how large its parts are; from 0 to 1, `[CHANCES]`.
    pub(super) chance: Tensor,
    /// Normal numbers, `[h, w]`.
    pub(super) noise: Tensor,
    /// Numbers from 0 to 1, `[h w]`.
    pub(super) table: Tensor,
}
tree!(Materials { chance, noise, table });

/// A texture `[h, w]`.
pub(super) fn made(materials: &Materials) -> Tensor {
    let Materials { chance, noise, table } = materials;
    let (shape, dtype) = ([noise.dim(0), noise.dim(1)], noise.dtype());
    let chance = |which: i64| chance.at_index(0, which);
    let fine = smoothed(noise, 1.0);
    let kinds = [
        smoothed(noise, 1.5) + smoothed(noise, 5.0) * 4.0,
        smoothed(noise, 0.7),
        bricks(table, shape, &chance(1)) + noise * 0.03,
        slats(shape, &chance(1), &chance(2), dtype) + &fine * 0.3,
        gradient(shape, &chance(3), dtype) + fine * 0.2,
    ];
    let kind = (chance(0) * kinds.len() as f64).floor();
    let mut texture = kinds[0].clone();
    for (which, candidate) in kinds.iter().enumerate().skip(1) {
        texture = kind.eq(which as f64).select(candidate, &texture);
    }
    let (least, most) = (texture.min(), texture.max());
    (texture - &least) / (most - least)
}

/// Blurred by a Gaussian of that standard deviation, in pixels; its weights at a border sum to 1 as everywhere.
fn smoothed(x: &Tensor, deviation: f64) -> Tensor {
    let blur = |n: usize| {
        let apart = iota([n, n], 0, x.dtype()) - iota([n, n], 1, x.dtype());
        let weights = (apart.square() * (-0.5 / (deviation * deviation))).exp();
        &weights / weights.sum_axes([1]).expand_dims(1)
    };
    blur(x.dim(0)).dot(x).dot(&blur(x.dim(1)).t())
}

/// Bricks of 4 to 8 rows and twice as many columns, every second course moved by half a brick, each of its own brightness,
/// with dark joints.
fn bricks(table: &Tensor, [h, w]: [usize; 2], size: &Tensor) -> Tensor {
    let dtype = table.dtype();
    let height = (size * 4.99).floor() + 4.0;
    let width = &height * 2.0;
    let (i, j) = (iota([h, w], 0, dtype), iota([h, w], 1, dtype));
    let course = (&i / &height).floor();
    let moved = (&course - (&course * 0.5).floor() * 2.0) * &height;
    let along = &j + &moved;
    let brick = (&along / &width).floor();
    // No course has more than w bricks, and there are no more than h courses.
    let place = (&course * w as f64 + &brick).convert(DType::I32);
    let brightness = table.take(&place, 0) * 0.5 + 0.5;
    let joint = (&i - &course * &height).lt(1.0) | (&along - &brick * &width).lt(1.0);
    joint.select(0.0, &brightness)
}

/// Upright slats, 4 to 12 columns from one to the next.
fn slats([h, w]: [usize; 2], size: &Tensor, phase: &Tensor, dtype: DType) -> Tensor {
    let period = size * 8.0 + 4.0;
    ((iota([h, w], 1, dtype) / period + phase) * std::f64::consts::TAU).sin()
}

/// A plane that rises in a direction that is drawn.
fn gradient([h, w]: [usize; 2], chance: &Tensor, dtype: DType) -> Tensor {
    let angle = chance * std::f64::consts::TAU;
    iota([h, w], 0, dtype) / h as f64 * angle.sin() + iota([h, w], 1, dtype) / w as f64 * angle.cos()
}
