//! Principal component pursuit as a detector: a pixel belongs to a target where |S| is above a threshold.

use tandem::algos::rpca::pcp::Pcp;
use tandem::prelude::*;

use super::Judged;

/// What lambda = 1 / sqrt(max(m, n)) is multiplied by.
const WEIGHTS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

/// PCP with its parameters.
pub struct Detector {
    /// Lambda, relative to its usual value.
    pub weight: f64,
    /// The threshold, in grey levels.
    pub threshold: f64,
    /// The IoU that it has on the clips that it was chosen on.
    pub iou: f64,
}

impl Detector {
    /// Those parameters that have the largest IoU on these clips.
    pub fn chosen(device: &Device, clips: &Judged) -> tandem::Result<Self> {
        let mut best = Self { weight: 1.0, threshold: 0.0, iou: -1.0 };
        for weight in WEIGHTS {
            let sparse = sparse(device, weight);
            let parts: Vec<Vec<f32>> = clips.frames.iter().map(sparse).collect::<tandem::Result<_>>()?;
            for threshold in (2..=100).step_by(2).map(f64::from) {
                let (mut hits, mut either) = (0usize, 0usize);
                for (part, masks) in parts.iter().zip(&clips.masks) {
                    for (s, &mask) in part.iter().zip(masks) {
                        let found = f64::from(*s) * 255.0 > threshold;
                        hits += usize::from(found && mask);
                        either += usize::from(found || mask);
                    }
                }
                let iou = hits as f64 / either.max(1) as f64;
                if iou > best.iou {
                    best = Self { weight, threshold, iou };
                }
            }
        }
        Ok(best)
    }

    /// The masks of a clip's frames `[n, h, w]`.
    pub fn masks(&self, device: &Device) -> impl Fn(&HostArray) -> tandem::Result<Vec<bool>> + use<> {
        let (sparse, threshold) = (sparse(device, self.weight), self.threshold);
        move |frames| Ok(sparse(frames)?.into_iter().map(|s| f64::from(s) * 255.0 > threshold).collect())
    }
}

/// |S| of a clip's frames `[n, h, w]`, which are the rows of the matrix.
fn sparse(device: &Device, weight: f64) -> impl Fn(&HostArray) -> tandem::Result<Vec<f32>> + use<> {
    let separate = jit(move |frames: Tensor| {
        let (n, pixels) = (frames.dim(0), frames.dim(1) * frames.dim(2));
        let pcp = Pcp::new();
        let pcp = pcp.lambda(weight * pcp.weight(n, pixels));
        pcp.trace(&frames.reshape([n, pixels]), None).s.abs()
    })
    .on(device);
    move |frames| {
        let s: HostArray = separate.call(frames)?;
        s.into_values()
    }
}
