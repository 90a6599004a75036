//! Small targets on their paths.

use tandem_compile::{DType, HostArray, Tensor, constant, iota, tree, tree_map};

use super::{Clips, WHITE};

/// Heights and widths of the specks; the last one lacks its lower right pixel.
const SPECKS: [(f64, f64); 6] = [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (1.0, 3.0), (3.0, 1.0), (2.0, 2.0)];
/// How many numbers a target is made of.
pub(super) const CHANCES: usize = 20;
/// The share of the targets that are there at all.
const PRESENT: f64 = 0.8;

/// The targets of a clip, or one of them: without the axis `[k]` then.
#[derive(Debug, Clone)]
pub(super) struct Targets {
    /// Rows and columns of the box around it.
    height: Tensor,
    width: Tensor,
    /// 1 for a disc in the box.
    disc: Tensor,
    /// 1 where the lower right pixel of the box is missing.
    corner: Tensor,
    /// The grey level from 0 to 1.
    level: Tensor,
    /// The first frame, and one past the last; equal where there is no target.
    first: Tensor,
    last: Tensor,
    /// Where it is half-way.
    row: Tensor,
    column: Tensor,
    /// Pixels per frame.
    down: Tensor,
    right: Tensor,
    /// How far it sways aside, and how many frames a radian of that takes.
    sway: Tensor,
    slowness: Tensor,
    /// The age at which it stands still, and for how many frames.
    pause: Tensor,
    rest: Tensor,
}
tree!(Targets {
    height,
    width,
    disc,
    corner,
    level,
    first,
    last,
    row,
    column,
    down,
    right,
    sway,
    slowness,
    pause,
    rest
});

impl Targets {
    /// As many as a clip has at most, of numbers from 0 to 1, `[CHANCES, k]`.
    pub(super) fn new(chances: &Tensor, clips: &Clips) -> Self {
        let (dtype, n) = (chances.dtype(), clips.frames as f64);
        let chance = |which: i64| chances.at_index(0, which);
        let table = |values: [f64; SPECKS.len()], at: &Tensor| {
            let values = constant(&HostArray::from_fn([SPECKS.len()], |i| values[i])).convert(dtype);
            values.take(&at.convert(DType::I32), 0)
        };
        let (kind, which) = (chance(0), (chance(1) * SPECKS.len() as f64).floor());
        let (speck, disc) = (kind.lt(0.5), kind.ge(0.75));
        let diameter = (chance(2) * 2.0).floor() * 2.0 + 5.0;
        let size = |specks, draw: i64, most: f64| {
            let bar = (chance(draw) * (most - 2.0)).floor() + 3.0;
            speck.select(table(specks, &which), disc.select(&diameter, bar))
        };
        let (height, width) = (size(SPECKS.map(|s| s.0), 3, 9.0), size(SPECKS.map(|s| s.1), 4, 10.0));
        let bright = chance(5).lt(0.6);
        let level = bright.select(chance(6) * 50.0 + 200.0, chance(6) * 20.0 + 5.0) / WHITE;
        let first = (chance(7) * (0.4 * n)).floor();
        let life = (chance(8) * 0.6 + 0.4) * n;
        let last = chance(9).lt(PRESENT).select(&first + life, &first);
        let swaying = chance(10).lt(0.3);
        Self {
            height,
            width,
            disc: disc.convert(dtype),
            corner: (speck & which.ge((SPECKS.len() - 1) as f64)).convert(dtype),
            level,
            first,
            last,
            row: chance(11) * clips.height as f64,
            column: chance(12) * clips.width as f64,
            down: chance(13) * 1.4 - 0.7,
            right: chance(14) * 2.0 - 1.0,
            sway: swaying.select(chance(15) * 5.0, 0.0),
            slowness: chance(16) * 4.0 + 6.0,
            pause: chance(17) * n,
            rest: chance(18).lt(0.5).select(chance(19) * (0.4 * n), 0.0),
        }
    }

    /// The k-th.
    pub(super) fn at(&self, k: &Tensor) -> Self {
        tree_map(self, |x| x.index(0, k))
    }

    /// Which pixels it covers, bool `[n, h, w]`, and its grey level, `[n, 1, 1]`. A dark one is lit like the scene: `light` is
    /// the scene's brightness by frame, relative to its mean, `[n, 1, 1]`.
    pub(super) fn render(&self, clips: &Clips, light: &Tensor) -> (Tensor, Tensor) {
        let dtype = light.dtype();
        let shape = [clips.frames, clips.height, clips.width];
        let frame = iota([clips.frames, 1, 1], 0, dtype);
        let alive = frame.ge(&self.first) & frame.lt(&self.last);
        // How long it has been on its way, without the time that it stands.
        let way = |age: &Tensor| age.minimum(&self.pause) + (age - &self.pause - &self.rest).maximum(0.0);
        let half = way(&((&self.last - &self.first) * 0.5));
        let age = way(&(frame - &self.first));
        let swayed = (&age / &self.slowness).sin() * &self.sway;
        let far = age - half;
        let (top, left) =
            ((&far * &self.down + &self.row + &swayed).round(), (&far * &self.right + &self.column).round());
        let (i, j) = (iota(shape, 1, dtype) - &top, iota(shape, 2, dtype) - &left);
        let within = i.ge(0.0) & i.lt(&self.height) & j.ge(0.0) & j.lt(&self.width);
        // A little more than the radius: the disc of diameter 5 has 21 pixels, that of 7 has 37.
        let radius = (&self.height - 1.0) * 0.5;
        let round = ((&i - &radius).square() + (&j - &radius).square()).le((&radius + 0.25).square());
        let missing = self.corner.eq(1.0) & i.eq(1.0) & j.eq(1.0);
        let inside = alive & within & (round | self.disc.eq(0.0)) & !missing;
        let dark = self.level.lt(0.5);
        let level = dark.select(light * &self.level, &self.level);
        (inside, level)
    }
}
