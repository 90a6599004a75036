//! The networks on plain loops and faer's matrices, layer by layer as the authors' code computes them.

mod layers;
mod numbers;
mod stages;

use tandem_compile::HostArray;
use tandem_verify::Real;

use super::{Mode, Model};
use layers::{Arrays, Images, logistic, numbers as elements};
use stages::{Running, images, nothing, stage};

/// What a network makes of frames, every array row-major.
#[derive(Debug, Clone)]
pub struct Found<R> {
    /// Every stage's background, `[stages][n * h * w]`.
    pub backgrounds: Vec<Vec<R>>,
    /// Every stage's target.
    pub targets: Vec<Vec<R>>,
    /// The last stage's image.
    pub image: Vec<R>,
    /// The running moments afterwards, one array after the other as [`Network::moment_names`](super::Network) lists them.
    pub moments: Vec<R>,
}

impl<R: Real> Found<R> {
    /// The last stage's background.
    pub fn background(&self) -> &[R] {
        self.backgrounds.last().map_or(&[], Vec::as_slice)
    }

    /// The last stage's target.
    pub fn target(&self) -> &[R] {
        self.targets.last().map_or(&[], Vec::as_slice)
    }
}

/// The network on frames whose last two axes are rows and columns, with `arrays`: the weights `[stages, ...]`, then the running
/// moments, in the order in which the model names them.
pub fn forward<R: Real>(model: &Model, mode: Mode, frames: &HostArray, arrays: &[HostArray]) -> Found<R> {
    let shape = frames.shape();
    let (h, w) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let n: usize = shape[..shape.len() - 2].iter().product();
    let names: Vec<String> = model.names().into_iter().map(|(name, _)| name).collect();
    let image: Images<R> = images(&frames.to_f64(), [n, h, w]);
    let mut running = Running { target: nothing(&image), image, memory: None };
    let (mut backgrounds, mut targets, mut stages) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..model.stages() {
        let mut own = Arrays::of_stage(names.iter().zip(arrays), k);
        let (background, next) = stage(model.is_plus_plus(), &mut own, mode, running);
        backgrounds.push(flat(&background));
        targets.push(flat(&next.target));
        stages.push(own);
        running = next;
    }
    let moments = model.moment_names();
    let moments = moments.iter().flat_map(|(name, _)| stages.iter().flat_map(move |own| own.get(name).values.clone()));
    Found { backgrounds, targets, image: flat(&running.image), moments: moments.collect() }
}

fn flat<R: Real>(x: &Images<R>) -> Vec<R> {
    x.iter().flatten().flat_map(elements).collect()
}

/// 1 - mean of (sum p t + 1) / (sum p + sum t - sum p t + 1) over `n` frames, p = 1 / (1 + e^-target).
pub fn soft_iou<R: Real>(target: &[R], masks: &[R], n: usize) -> R {
    let len = target.len() / n;
    let of_frame = |(target, masks): (&[R], &[R])| {
        let total =
            |f: &dyn Fn(R, R) -> R| target.iter().zip(masks).fold(R::zero(), |sum, (&x, &t)| sum + f(logistic(x), t));
        let common = total(&|p, t| p * t);
        (common + R::one()) / (total(&|p, _| p) + total(&|_, t| t) - common + R::one())
    };
    let ratios = target.chunks(len).zip(masks.chunks(len)).map(of_frame);
    R::one() - ratios.fold(R::zero(), |sum, r| sum + r) / R::from_f64(n as f64)
}

/// The mean squared difference.
pub fn mean_square<R: Real>(x: &[R], y: &[R]) -> R {
    let squares = x.iter().zip(y).fold(R::zero(), |sum, (&x, &y)| sum + (x - y) * (x - y));
    squares / R::from_f64(x.len() as f64)
}

/// What training minimises: [`soft_iou`] of the targets, and a hundredth of the [`mean_square`] of images and frames.
pub fn loss<R: Real>(found: &Found<R>, frames: &HostArray, masks: &HostArray) -> R {
    let numbers = |array: &HostArray| -> Vec<R> { array.to_f64().into_iter().map(R::from_f64).collect() };
    let iou = soft_iou(found.target(), &numbers(masks), frames.shape()[0]);
    iou + mean_square(&found.image, &numbers(frames)) / R::from_f64(100.0)
}
