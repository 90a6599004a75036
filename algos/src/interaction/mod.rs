//! The local interaction basis: coordinates for every layer of a network in which the layers interact through few edges.
//!
//! A network is a list of sections. Section F_l maps node layer l to the next one: f' = F_l(f), f and f' rows of activations
//! whose last coordinate is the constant 1 where biases are folded in (a section passes that 1 on; the output layer has
//! none). In a basis C (`[d, r]`, with C+ C = I) the activations are f^ = f C.
//!
//! LIB (Bushnaq et al., "The local interaction basis", arXiv 2405.10928, section 3; theory in 2405.10927) goes from the last
//! layer to the first, the output staying as it is:
//!
//! 1. Y subtracts the mean of every coordinate by means of the constant one (or nothing: [`Lib::center`]).
//! 2. The Gram matrix of the activations, E[(f Y)'(f Y)] = U D U'. Directions with D <= threshold D_1 go; R = Y U D^-1/2
//!    makes E[(f R)'(f R)] = I. With centering the constant direction stands apart, as the first.
//! 3. The Gram matrix of the Jacobian J of f' C' = F_l(f) C' by f: M = E[(J R+')'(J R+')] = V L V', the constant direction
//!    apart again. Directions with L <= threshold L_1 go.
//! 4. C = R V L^1/2, C+ = L^-1/2 V' R+.
//!
//! Then E[f^' f^] = L, and the mean Gram matrix of the Jacobian in the new coordinates is I: a direction's variance says
//! how much the next layer depends on it. An edge is E_ij = E[(df'^_i/df^_j f^_j)^2].
//!
//! Axes of activations: `[batch, positions..., width]`. Jacobians are between all positions; edges sum over the positions
//! of the input before the square, and over those of the output after it.
//!
//! Cost: per section min(d positions, d' positions') passes of forward or reverse mode over the data for M
//! ([`jacobian`]), min(d, d' positions') for the edges, and two eigenproblems. The data go through in batches; no array is
//! larger than a batch times the Jacobian of one input position.
//!
//! Degenerate inputs: constant coordinates, too few samples and dead units lower the rank. Where the next layer depends on
//! nothing but the constant direction, only that is left: [`Status::DEGENERATE`], as where a layer to be centered has no
//! constant coordinate. Equal eigenvalues leave the basis free within their space. NaN and infinity go everywhere.
//!
//! [`Status::DEGENERATE`]: tandem_verify::status::Status::DEGENERATE

pub mod ablation;
pub mod drawing;
mod edges;
pub mod graph;
pub mod jacobian;
pub mod laws;
pub mod mlp;
mod moments;
pub mod quadrature;
pub mod reference;
mod rotation;
mod section;
pub mod subject;

pub use ablation::{Ablation, accuracy};
pub use drawing::{Drawing, Layer};
pub use graph::{Interaction, NodeLayer};
pub use mlp::Mlp;
pub use section::{Section, with_constant};

use tandem_compile::DType;

/// Which coordinates a layer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Basis {
    /// The local interaction basis: Jacobians to the next layer.
    #[default]
    Local,
    /// The interaction basis (arXiv 2405.10927, section 4.2): Jacobians to the network's output.
    Global,
    /// Principal components, of centered activations or as [`Lib::center`] says: C = Y U, and L = D.
    Pca,
    /// The eigenvectors of the mean Gram matrix of the Jacobian to the next layer, whatever the activations (a singular
    /// value decomposition of all Jacobians together); nothing is centered.
    Jacobian,
    /// The coordinates as they are. L holds their mean squares, in their own order.
    Neuron,
}

/// How edges are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Edges {
    /// E[(df'^_i/df^_j f^_j)^2], the derivative where the data are.
    #[default]
    Gradient,
    /// The derivative integrated along a f^, a from 0 to 1, by Gauss and Legendre's n + 1 nodes: exact for polynomials of
    /// degree 2 n + 1 in a. n is at most 63.
    GaussLegendre(usize),
    /// The same by the trapezoidal rule on n + 1 nodes from e to 1 - e, e = 1e-3 / (n + 1); one node in the middle for
    /// n = 0.
    Trapezoidal(usize),
}

/// Over which rows of the Jacobian M is summed: all of them, or random combinations with signs of +-1, whose mean is the
/// same. Passes of reverse mode are the product of the two counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sources {
    /// This many combinations of output positions instead of every position.
    pub positions: Option<usize>,
    /// This many combinations of output coordinates instead of every coordinate.
    pub coordinates: Option<usize>,
    /// What the signs are drawn from.
    pub seed: u64,
}

/// The parameters of an interaction basis; a builder.
///
/// ```
/// use tandem_algos::interaction::{Lib, Mlp};
/// use tandem_compile::{HostArray, Tensor, jit};
/// use tandem_verify::rng::normal;
///
/// // A network 3 -> 4 -> 2 with a ReLU in the middle, PyTorch's layout.
/// let array = |seed, shape: &[usize]| HostArray::new(shape, normal(seed, shape.iter().product())).unwrap();
/// let arrays = [array(1, &[4, 3]), array(2, &[4]), array(3, &[2, 4]), array(4, &[2])];
/// let lib = Lib::new();
/// let program = jit(|(x, w0, b0, w1, b1): (Tensor, Tensor, Tensor, Tensor, Tensor)| {
///     let found = Mlp::new(vec![(w0, b0), (w1, b1)]).interaction(&lib, &x);
///     (found.layers[0].lambda.clone(), found.layers[0].rank.clone())
/// });
/// let x = array(5, &[50, 3]);
/// let (lambda, rank): (Vec<f64>, i32) =
///     program.call((&x, &arrays[0], &arrays[1], &arrays[2], &arrays[3]))?;
/// // Three inputs and the constant, the constant first.
/// assert_eq!((lambda.len(), rank), (4, 4));
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lib {
    /// Which coordinates.
    pub basis: Basis,
    /// Whether activations are centered, by means of a constant last coordinate.
    pub center: bool,
    /// Eigenvalues up to this share of the largest one of their own spectrum count as zero; `None` for 1e-10 in f64 and
    /// 1e-5 in f32.
    pub threshold: Option<f64>,
    /// How edges are measured.
    pub edges: Edges,
    /// Which rows of the Jacobian are summed over.
    pub sources: Sources,
    /// Samples that go through the network at once.
    pub batch: usize,
    /// Whether the output layer is given principal components as well, instead of staying as it is.
    pub rotate_output: bool,
}

impl Default for Lib {
    fn default() -> Self {
        Self::new()
    }
}

impl Lib {
    /// The local interaction basis with centering, edges by the gradient, every row of the Jacobian, batches of 512.
    pub fn new() -> Self {
        Self {
            basis: Basis::Local,
            center: true,
            threshold: None,
            edges: Edges::Gradient,
            sources: Sources::default(),
            batch: 512,
            rotate_output: false,
        }
    }

    /// Sets which coordinates.
    pub fn basis(self, basis: Basis) -> Self {
        Self { basis, ..self }
    }

    /// Sets whether activations are centered.
    pub fn center(self, center: bool) -> Self {
        Self { center, ..self }
    }

    /// Sets the share of the largest eigenvalue up to which others count as zero.
    pub fn threshold(self, threshold: f64) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    /// Sets how edges are measured.
    pub fn edges(self, edges: Edges) -> Self {
        Self { edges, ..self }
    }

    /// Sets which rows of the Jacobian are summed over.
    pub fn sources(self, sources: Sources) -> Self {
        Self { sources, ..self }
    }

    /// Sets how many samples go through the network at once.
    pub fn batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }

    /// Sets whether the output layer is given principal components.
    pub fn rotate_output(self, rotate_output: bool) -> Self {
        Self { rotate_output, ..self }
    }

    /// The threshold in a computation of that precision.
    pub fn limit(&self, dtype: DType) -> f64 {
        self.threshold.unwrap_or(if dtype == DType::F64 { 1e-10 } else { 1e-5 })
    }

    /// Whether the basis has a constant direction apart.
    pub fn has_constant(&self) -> bool {
        self.center && !matches!(self.basis, Basis::Jacobian | Basis::Neuron)
    }

    /// Checks the parameters for data whose first axis has `samples` samples.
    ///
    /// # Errors
    /// Which parameter is out of range, and what the range is.
    pub fn check(&self, samples: usize) -> Result<(), String> {
        if samples == 0 || samples > i32::MAX as usize {
            return Err(format!("x has {samples} samples; from 1 to {} are supported", i32::MAX));
        }
        if self.batch == 0 {
            return Err("batch = 0: at least 1 sample goes through the network at once".into());
        }
        if let Some(threshold) = self.threshold.filter(|t| !(*t >= 0.0 && *t < 1.0)) {
            return Err(format!("threshold = {threshold}: it must be in [0, 1)"));
        }
        let limit = match self.edges {
            Edges::Gradient => None,
            Edges::GaussLegendre(n) => Some((n, quadrature::MOST)),
            Edges::Trapezoidal(n) => Some((n, 4096)),
        };
        if let Some((n, most)) = limit.filter(|(n, most)| n > most) {
            return Err(format!("{n} intervals for the integral along a f^: at most {most} are supported"));
        }
        match [self.sources.positions, self.sources.coordinates].contains(&Some(0)) {
            true => Err("sources: 0 random combinations; at least 1 is needed, or None for every row".into()),
            false => Ok(()),
        }
    }
}
