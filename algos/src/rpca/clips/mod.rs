//! Surveillance clips with ground truth, made on the device: a textured scene under drifting light, with small targets that
//! move through it. What a network for small targets is trained on, and what it is judged by.

mod target;
mod texture;

use tandem_compile::random::{Key, normal, split, uniform};
use tandem_compile::{DType, Tensor, fori_loop, iota, map, tree, vmap, zeros};

use target::Targets;
use texture::Materials;

/// Grey levels of a full scale.
const WHITE: f64 = 255.0;

/// A generator of clips; a builder.
///
/// A clip is `round(clean + targets + noise)` in grey levels, kept within 0..255 and divided by 255.
///
/// - *Scene*: two textures, one above the other, of smoothed noise, gravel, bricks, slats and a gradient, in grey levels from
///   somewhere in 45..80 up to 40 to 85 more.
/// - *Drift*: the scene times a slow brightness, plus the scene times a ramp that the light moves along, plus a uniform haze: the
///   *clean* part, of rank 3 at most.
/// - *Targets*: up to [`targets`](Self::targets) specks of 2 to 4 pixels (half of them), bars of 3 x 3 to 9 x 10 pixels and
///   discs of 21 or 37, bright (200..250) or dark (5..25, lit like the scene), on straight or swaying paths at up to one
///   pixel per frame, some of which stand still for a while. They come and go.
/// - *Noise*: Gaussian.
///
/// Everything follows from the key: the same key gives the same clip, on every device up to rounding in sine, exponential and
/// erf_inv.
///
/// ```
/// use tandem_algos::rpca::clips::Clips;
/// use tandem_compile::{DType, HostArray, jit, pjrt::Device, random};
///
/// let clips = Clips::new(6, 24, 32);
/// let draw = jit(move |_: ()| clips.draw_many(random::key(3), 2, DType::F32)).on(&Device::cpu()?);
/// let (frames, masks, clean): (HostArray, HostArray, HostArray) = draw.call(())?;
/// assert_eq!(frames.shape(), [2, 6, 24, 32]);
/// // Outside of the targets there is noise alone.
/// let (frames, masks, clean) = (frames.to_f64(), masks.to_f64(), clean.to_f64());
/// assert!((0..frames.len()).all(|i| masks[i] == 1.0 || (frames[i] - clean[i]).abs() < 0.05));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clips {
    /// Frames per clip.
    pub frames: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// The most targets of a clip.
    pub targets: usize,
    /// The noise's standard deviation, in grey levels.
    pub noise: f64,
    /// How strong the light's drift is; 1 is what a bright day with some fog does.
    pub drift: f64,
}

/// A clip, or several of them, with one more axis in front.
#[derive(Debug, Clone)]
pub struct Clip {
    /// What a camera sees, from 0 to 1, `[n, h, w]`.
    pub frames: Tensor,
    /// Which pixels belong to targets, 0 or 1, `[n, h, w]`.
    pub masks: Tensor,
    /// The scene without targets and noise, of rank 3 at most as an `[n, h w]` matrix.
    pub clean: Tensor,
}
tree!(Clip { frames, masks, clean });

impl Clips {
    /// Clips of so many frames of `height` by `width` pixels, with up to 8 targets, noise of 1.5 grey levels and a drift of 1.
    pub fn new(frames: usize, height: usize, width: usize) -> Self {
        Self { frames, height, width, targets: 8, noise: 1.5, drift: 1.0 }
    }

    /// Sets the most targets.
    pub fn targets(self, targets: usize) -> Self {
        Self { targets, ..self }
    }

    /// Sets the noise.
    pub fn noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// Sets the drift.
    pub fn drift(self, drift: f64) -> Self {
        Self { drift, ..self }
    }

    /// Checks the sizes.
    ///
    /// # Errors
    /// What is out of range, and what the range is.
    pub fn check(&self) -> Result<(), String> {
        let Self { frames, height, width, .. } = *self;
        if frames == 0 || height < 8 || width < 8 {
            return Err(format!("clips of {frames} frames of {height} x {width}: at least 1 frame of 8 x 8 is needed"));
        }
        if !(self.noise >= 0.0 && self.noise.is_finite() && self.drift >= 0.0 && self.drift.is_finite()) {
            return Err(format!("noise = {}, drift = {}: both must be numbers from 0", self.noise, self.drift));
        }
        Ok(())
    }

    /// Traces the clip of a key, f32 or f64.
    #[track_caller]
    pub fn draw(&self, key: impl Key, dtype: DType) -> Clip {
        // Few draws of many numbers each: every one is a cipher that has to be compiled.
        let keys = split(key, 5);
        let key = |which: i64| keys.at_index(0, which);
        let [height, width] = [self.height, self.width];
        let materials = Materials {
            chance: uniform(key(0), [2, texture::CHANCES], dtype),
            noise: normal(key(1), [2, height, width], dtype),
            table: uniform(key(2), [2, height * width], dtype),
        };
        let light = uniform(key(3), [12 + target::CHANCES * self.targets], dtype);
        let chance = |which: i64| light.at_index(0, which);
        let clean = self.drifting(&chance, &self.scene(&chance, materials));
        let targets = light.slice(0, 12, 12 + target::CHANCES * self.targets);
        let (seen, masks) = self.populated(&targets.reshape([target::CHANCES, self.targets]), &clean);
        let seen = seen + normal(key(4), clean.shape(), dtype) * (self.noise / WHITE);
        let frames = (seen * WHITE).clamp(0.0, WHITE).round() / WHITE;
        Clip { frames, masks, clean }
    }

    /// Traces `count` clips, `[count, n, h, w]`, one after the other.
    #[track_caller]
    pub fn draw_many(&self, key: impl Key, count: usize, dtype: DType) -> Clip {
        map(split(key, count), |key: Tensor| self.draw(key, dtype))
    }

    /// The scene, `[h, w]`: one texture above the other.
    fn scene(&self, chance: &impl Fn(i64) -> Tensor, materials: Materials) -> Tensor {
        let dtype = materials.noise.dtype();
        let both = vmap(|materials: Materials| texture::made(&materials))(materials);
        let horizon = (chance(0) * 0.7 + 0.4) * self.height as f64;
        let row = iota([self.height, self.width], 0, dtype);
        let texture = row.lt(&horizon).select(both.at_index(0, 0), both.at_index(0, 1));
        let (darkest, span) = (chance(1) * 35.0 + 45.0, chance(2) * 45.0 + 40.0);
        (texture * span + darkest) / WHITE
    }

    /// The scene `[h, w]` under light that changes, `[n, h, w]`.
    fn drifting(&self, chance: &impl Fn(i64) -> Tensor, scene: &Tensor) -> Tensor {
        let (n, dtype) = (self.frames, scene.dtype());
        let (h, w) = (self.height, self.width);
        let turn = std::f64::consts::TAU;
        let t = iota([n, 1, 1], 0, dtype) / n as f64;
        let wave = |speed: Tensor, phase: Tensor| ((&t * speed + phase) * turn).sin();
        let brightness = wave(chance(3) * 1.2 + 0.3, chance(4)) * (chance(5) * 0.13 + 0.02) * self.drift + 1.0;
        // From -1 to 1 across the picture, in a direction that is drawn.
        let across = |axis: usize, size: usize| iota([h, w], axis, dtype) * (2.0 / (size - 1) as f64) - 1.0;
        let angle = chance(6) * turn;
        let ramp = across(0, h) * angle.sin() + across(1, w) * angle.cos();
        let moved = (2.0 - &t) * &t * (chance(7) * 0.2 - 0.1) * self.drift;
        let haze = (wave(chance(8) * 1.2 + 0.3, chance(9)) + 1.0) * (chance(10) * 15.0 / WHITE) * self.drift;
        brightness * scene + moved * (scene * ramp) + haze
    }

    /// The clean part with its targets, and the masks.
    fn populated(&self, chances: &Tensor, clean: &Tensor) -> (Tensor, Tensor) {
        let dtype = clean.dtype();
        let start = (clean.clone(), zeros(clean.shape(), dtype));
        if self.targets == 0 {
            return start;
        }
        let targets = Targets::new(chances, self);
        // How the light of a frame changes what is dark: the mean of the clean part, relative to its own mean.
        let light = clean.mean_axes([1, 2]).reshape([self.frames, 1, 1]);
        let light = &light / light.mean();
        fori_loop(0, self.targets as i32, start, |k, (scene, masks)| {
            let (inside, level) = targets.at(&k).render(self, &light);
            (inside.select(&level, &scene), inside.select(1.0, &masks))
        })
    }
}
