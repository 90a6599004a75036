//! Thresholds and steps: those that were published, and how they carry over to other sizes and depths.

/// Thresholds and steps of an unrolled iteration, with the size of the problems that they were learned on.
///
/// ```
/// use tandem_algos::rpca::lrpca::{Parameters, Preset};
///
/// let published = Parameters::published(Preset::Tenth);
/// assert_eq!((published.layers(), published.size, published.rank), (16, 1000.0, 5));
/// // Half the size, the same rank: entries are twice as large, and so are the thresholds.
/// let half = published.carried([500, 500], 5);
/// assert_eq!(half.zeta[0], 2.0 * published.zeta[0]);
/// assert_eq!(half.eta, published.eta);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// The thresholds zeta_0 (of the start), ..., zeta_T, in the units of the matrix.
    pub zeta: Vec<f64>,
    /// The steps eta_1, ..., eta_T.
    pub eta: Vec<f64>,
    /// sqrt(m n) of the matrices that they were learned on.
    pub size: f64,
    /// The rank that they were learned with.
    pub rank: usize,
}

/// The published parameters, by the share of outliers that they were learned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preset {
    /// A tenth of the entries are outliers.
    #[default]
    Tenth,
    /// A fifth.
    Fifth,
    /// Three tenths.
    ThreeTenths,
}

impl Preset {
    /// The names that users write.
    pub const NAMES: [(&'static str, Preset); 3] =
        [("0.1", Preset::Tenth), ("0.2", Preset::Fifth), ("0.3", Preset::ThreeTenths)];

    /// The share of outliers.
    pub fn share(self) -> f64 {
        match self {
            Preset::Tenth => 0.1,
            Preset::Fifth => 0.2,
            Preset::ThreeTenths => 0.3,
        }
    }

    /// Thresholds and steps. The first step belongs to the start, which has none.
    fn numbers(self) -> ([f64; 17], [f64; 17]) {
        match self {
            Preset::Tenth => (
                [
                    1.0290041e-02,
                    5.2445597e-04,
                    1.1200304e-04,
                    2.1211457e-05,
                    1.3444512e-05,
                    4.9095970e-06,
                    2.7440476e-06,
                    1.5706989e-06,
                    9.8126543e-07,
                    5.7354185e-07,
                    3.3892175e-07,
                    2.0034940e-07,
                    1.1776888e-07,
                    6.8854575e-08,
                    3.9915523e-08,
                    2.3243727e-08,
                    1.3686466e-08,
                ],
                [
                    0.5, 1.3928906, 0.968053, 0.8631923, 0.7043573, 0.616135, 0.5596399, 0.5276926, 0.5178358,
                    0.5108163, 0.5066612, 0.5041168, 0.5025284, 0.5015359, 0.500878, 0.5004542, 0.5002048,
                ],
            ),
            Preset::Fifth => (
                [
                    1.0444528e-02,
                    3.8605466e-04,
                    1.0151217e-04,
                    2.2284366e-05,
                    1.3192432e-05,
                    6.0638777e-06,
                    3.5658434e-06,
                    2.2620004e-06,
                    1.5228428e-06,
                    1.0093615e-06,
                    6.7692088e-07,
                    4.4757047e-07,
                    2.9564174e-07,
                    1.9416339e-07,
                    1.2725253e-07,
                    8.3237389e-08,
                    5.4464248e-08,
                ],
                [
                    0.5, 1.6378725, 1.1684755, 0.9156862, 0.7598327, 0.6544169, 0.5866427, 0.5461009, 0.5326391,
                    0.5225221, 0.5153712, 0.5102933, 0.5067909, 0.5043708, 0.5026989, 0.5015551, 0.5006925,
                ],
            ),
            Preset::ThreeTenths => (
                [
                    1.0599223e-02,
                    3.0791693e-04,
                    8.7154192e-05,
                    2.4629398e-05,
                    1.3220370e-05,
                    7.3648962e-06,
                    4.7353897e-06,
                    3.2454950e-06,
                    2.3152490e-06,
                    1.6744016e-06,
                    1.1959611e-06,
                    8.6801072e-07,
                    6.2364415e-07,
                    4.4880716e-07,
                    3.2266590e-07,
                    2.3219820e-07,
                    1.6733404e-07,
                ],
                [
                    0.5, 1.9669536, 1.3334144, 1.0156144, 0.7989083, 0.6921909, 0.6204301, 0.5711779, 0.5530471,
                    0.5394356, 0.5284613, 0.5208361, 0.5146683, 0.5100378, 0.5065336, 0.5039527, 0.501901,
                ],
            ),
        }
    }
}

impl Parameters {
    /// The ratio by which thresholds fall in the further layers of [`Lrpca::layers`](super::Lrpca::layers). The published
    /// ones fall by 0.59 to 0.72 at their end, a little faster than the largest errors do; a step is bounded by its
    /// threshold, so that an error above it can no longer follow. With 0.85 the error falls on for 30 layers and more.
    pub const RATIO: f64 = 0.85;

    /// The published parameters: 16 layers, learned on `[1000, 1000]` matrices of rank 5 (github.com/caesarcai/LRPCA).
    pub fn published(preset: Preset) -> Self {
        let (zeta, eta) = preset.numbers();
        Self { zeta: zeta.to_vec(), eta: eta[1..].to_vec(), size: 1000.0, rank: 5 }
    }

    /// The number of layers, T.
    pub fn layers(&self) -> usize {
        self.eta.len()
    }

    /// The parameters for matrices of this shape and rank: thresholds times (size / sqrt(m n)) (r / rank), which is how
    /// the entries of X = U V' go whose factors have columns of length 1; the same steps.
    pub fn carried(&self, [m, n]: [usize; 2], rank: usize) -> Self {
        let size = (m as f64 * n as f64).sqrt();
        let factor = (self.size / size) * (rank as f64 / self.rank as f64);
        Self { zeta: self.zeta.iter().map(|zeta| zeta * factor).collect(), eta: self.eta.clone(), size, rank }
    }

    /// The parameters of a network of any depth: the first layers are these, and after the last of them the threshold
    /// falls by `ratio` per layer and the step stays. Fewer layers than there are leave out the last ones.
    pub fn recurrent(mut self, layers: usize, ratio: f64) -> Self {
        let (zeta, eta) = (self.zeta.last().copied().unwrap_or(0.0), self.eta.last().copied().unwrap_or(0.5));
        let further = layers.saturating_sub(self.layers());
        self.zeta.truncate(layers + 1);
        self.eta.truncate(layers);
        self.zeta.extend((1..=further).map(|t| zeta * ratio.powi(t.min(i32::MAX as usize) as i32)));
        self.eta.extend((0..further).map(|_| eta));
        self
    }
}
