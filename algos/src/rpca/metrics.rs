//! How well masks find targets: by pixels, and by whole targets.

use tandem_compile::{DType, Tensor};

/// What is added to denominators: the distance from 1 to the next f64, numpy's `spacing(1)`.
const SPACING: f64 = f64::EPSILON;

/// What a set of masks counts up to: all rates are of totals over the set, not means over its images.
///
/// A target is a connected component of the true mask, two pixels being connected where they touch at a side or a corner
/// (full connectivity, the default of `skimage.measure.label` and of OpenCV's `connectedComponents`, by which the public code
/// counts). It is found where any of its pixels is predicted.
///
/// ```
/// use tandem_algos::rpca::metrics::Counts;
///
/// let truth = [true, true, false, false, false, true];
/// let predicted = [true, false, true, false, false, false];
/// // One image of 2 x 3: the pixels (0, 0), (0, 1) are a target, and (1, 2), at a corner of the latter, belongs to it.
/// let counts = Counts::of(&truth, &predicted, [1, 2, 3]);
/// assert_eq!((counts.targets, counts.found), (1, 1));
/// assert_eq!((counts.hits, counts.false_alarms, counts.misses), (1, 1, 2));
/// assert!((counts.iou() - 0.25).abs() < 1e-15 && (counts.f1() - 0.4).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pixels of targets that are predicted.
    pub hits: usize,
    /// Pixels that are predicted and belong to no target.
    pub false_alarms: usize,
    /// Pixels of targets that are not predicted.
    pub misses: usize,
    /// All pixels.
    pub pixels: usize,
    /// Targets.
    pub targets: usize,
    /// Targets of which a pixel is predicted.
    pub found: usize,
}

impl Counts {
    /// Of `n` images of `h` by `w` pixels, row-major; what is beyond the shorter of both masks counts as no pixel.
    pub fn of(truth: &[bool], predicted: &[bool], [_, h, w]: [usize; 3]) -> Self {
        let mut counts = Self::default();
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            counts.hits += usize::from(truth && predicted);
            counts.false_alarms += usize::from(!truth && predicted);
            counts.misses += usize::from(truth && !predicted);
            counts.pixels += 1;
        }
        let size = (h * w).max(1);
        for (truth, predicted) in truth.chunks_exact(size).zip(predicted.chunks_exact(size)) {
            for target in components(truth, [h, w]) {
                counts.targets += 1;
                counts.found += usize::from(target.iter().any(|&at| predicted[at]));
            }
        }
        counts
    }

    /// The counts of both sets together.
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            false_alarms: self.false_alarms + other.false_alarms,
            misses: self.misses + other.misses,
            pixels: self.pixels + other.pixels,
            targets: self.targets + other.targets,
            found: self.found + other.found,
        }
    }

    /// Intersection over union: hits / (hits + false alarms + misses); 0 where there is neither target nor prediction.
    pub fn iou(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms + self.misses)
    }

    /// The share of the predicted pixels that belong to targets.
    pub fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// The share of the targets' pixels that are predicted.
    pub fn recall(&self) -> f64 {
        share(self.hits, self.hits + self.misses)
    }

    /// The harmonic mean of [`precision`](Self::precision) and [`recall`](Self::recall).
    pub fn f1(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        2.0 * p * r / (p + r + SPACING)
    }

    /// Pd: the share of the targets that are found.
    pub fn detection(&self) -> f64 {
        share(self.found, self.targets)
    }

    /// Fa: the share of all pixels that are false alarms. (The public code divides by the background's pixels, and leaves
    /// images without targets out.)
    pub fn false_alarm_rate(&self) -> f64 {
        share(self.false_alarms, self.pixels)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / (whole as f64 + SPACING)
}

/// The connected components of a mask of `h` by `w` pixels, at sides and corners: the positions of each one's pixels, row-major,
/// ordered by the first of them.
pub fn components(mask: &[bool], [h, w]: [usize; 2]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; mask.len()];
    let mut all = Vec::new();
    for start in 0..mask.len().min(h * w) {
        if !mask[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let (mut pixels, mut next) = (vec![start], 0);
        while next < pixels.len() {
            let (i, j) = (pixels[next] / w, pixels[next] % w);
            next += 1;
            for row in i.saturating_sub(1)..(i + 2).min(h) {
                for column in j.saturating_sub(1)..(j + 2).min(w) {
                    let at = row * w + column;
                    if at < mask.len() && mask[at] && !seen[at] {
                        seen[at] = true;
                        pixels.push(at);
                    }
                }
            }
        }
        pixels.sort_unstable();
        all.push(pixels);
    }
    all
}

/// Traces IoU, F1 and Fa of predicted masks, as [`Counts`] has them, for `truth` and `predicted` of the same shape and of any
/// dtype in which a pixel is marked by being above 0: three scalars of `dtype`.
///
/// ```
/// use tandem_algos::rpca::metrics::{Counts, rates};
/// use tandem_compile::{DType, HostArray, Tensor, jit, pjrt::Device};
///
/// let mask = |seed: usize| (0..60).map(|i| (i * i + seed * i) % 7 < 3).collect::<Vec<bool>>();
/// let array = |mask: &[bool]| HostArray::from_fn([3, 4, 5], |i| f64::from(mask[i]));
/// let (truth, predicted) = (mask(1), mask(2));
/// let traced = jit(|(t, p): (Tensor, Tensor)| rates(&t, &p, DType::F64)).on(&Device::cpu()?);
/// let (iou, f1, fa): (f64, f64, f64) = traced.call((&array(&truth), &array(&predicted)))?;
/// let counts = Counts::of(&truth, &predicted, [3, 4, 5]);
/// assert_eq!((iou, f1, fa), (counts.iou(), counts.f1(), counts.false_alarm_rate()));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn rates(truth: &Tensor, predicted: &Tensor, dtype: DType) -> [Tensor; 3] {
    let marked = |x: &Tensor| match x.dtype() {
        DType::Bool => x.clone(),
        _ => x.gt(0.0),
    };
    let (truth, predicted) = (marked(truth), marked(predicted));
    // Whole numbers: exact, whatever the order of the sum.
    let count = |x: Tensor| x.convert(DType::I32).sum().convert(dtype);
    let (hits, false_alarms, misses) =
        (count(&truth & &predicted), count(!&truth & &predicted), count(&truth & !&predicted));
    let share = |part: &Tensor, whole: Tensor| part / (whole + SPACING);
    let (p, r) = (share(&hits, &hits + &false_alarms), share(&hits, &hits + &misses));
    let f1 = &p * &r * 2.0 / (&p + &r + SPACING);
    let pixels = truth.shape().iter().product::<usize>() as f64;
    [share(&hits, &hits + &false_alarms + &misses), f1, false_alarms / (pixels + SPACING)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_touch_at_sides_and_corners() {
        let picture = ["##..#", "..#..", "#...#", "#...#"];
        let mask: Vec<bool> = picture.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect();
        let found = components(&mask, [4, 5]);
        assert_eq!(found, [vec![0, 1, 7], vec![4], vec![10, 15], vec![14, 19]]);
        assert!(components(&[false; 20], [4, 5]).is_empty());
        assert!(components(&[], [0, 5]).is_empty());
        assert_eq!(components(&[true; 20], [4, 5]), [(0..20).collect::<Vec<_>>()]);
    }

    #[test]
    fn a_target_ends_at_the_border_of_its_image() {
        // The last pixel of the first image and the first one of the second.
        let truth = [false, false, false, true, true, false, false, false];
        let counts = Counts::of(&truth, &[true; 8], [2, 2, 2]);
        assert_eq!((counts.targets, counts.found), (2, 2));
        assert_eq!((counts.hits, counts.false_alarms, counts.misses, counts.pixels), (2, 6, 0, 8));
    }

    #[test]
    fn sets_add_up_and_nothing_divides_by_zero() {
        let (truth, predicted) = ([true, false, true, true], [true, true, false, false]);
        let halves = Counts::of(&truth[..2], &predicted[..2], [1, 1, 2]).and(Counts::of(
            &truth[2..],
            &predicted[2..],
            [1, 1, 2],
        ));
        assert_eq!(halves, Counts::of(&truth, &predicted, [2, 1, 2]));
        assert_eq!((halves.iou(), halves.detection(), halves.false_alarm_rate()), (0.25, 0.5, 0.25));
        let nothing = Counts::of(&[false; 4], &[false; 4], [1, 2, 2]);
        assert_eq!(
            (nothing.iou(), nothing.f1(), nothing.detection(), nothing.false_alarm_rate()),
            (0.0, 0.0, 0.0, 0.0)
        );
        assert_eq!(Counts::of(&[], &[], [0, 0, 0]), Counts::default());
    }
}
