//! The interaction basis as one traced program, from the last layer to the first.

use tandem_compile::{Tensor, eye, number, refuse, scalar, tree, zeros};
use tandem_linalg::scale::max_abs;
use tandem_verify::status::Status;

use super::edges::edges;
use super::jacobian::mean_gram;
use super::moments::{Batches, Moments, moments};
use super::rotation::{Coordinates, Whitening};
use super::section::{positions, rows, through};
use super::{Basis, Lib, Section};

/// The traced basis of a node layer of width d, whose next layer has width d'.
#[derive(Debug, Clone)]
pub struct NodeLayer {
    /// C, `[d, d]`: f^ = f C. Zero columns after the kept directions; of every column the entry of largest magnitude is
    /// positive.
    pub c: Tensor,
    /// C+, `[d, d]`: f = f^ C+. Zero rows after the kept directions.
    pub c_pinv: Tensor,
    /// L, `[d]`: decreasing, the constant direction first where there is one; 0 after the kept directions.
    pub lambda: Tensor,
    /// The edges to the next layer's coordinates, `[d', d]`.
    pub edges: Tensor,
    /// How many directions are kept, i32. The constant direction counts.
    pub rank: Tensor,
}
tree!(NodeLayer { c, c_pinv, lambda, edges, rank });

/// The traced outputs of [`Lib::trace`].
#[derive(Debug, Clone)]
pub struct Interaction {
    /// The bits of [`Status`], i32.
    pub status: Tensor,
    /// The node layers before each section, the network's input first; with [`Lib::rotate_output`] then the output, whose
    /// edges are empty, `[0, d]`.
    pub layers: Vec<NodeLayer>,
}
tree!(Interaction { status, layers });

impl Interaction {
    /// The outputs in the order in which they are listed to users, the status last.
    pub fn into_vec(self) -> Vec<Tensor> {
        let each = self.layers.into_iter().flat_map(|l| [l.c, l.c_pinv, l.lambda, l.edges, l.rank]);
        each.chain([self.status]).collect()
    }
}

impl Lib {
    /// Traces the basis of a network whose first node layer has the activations `x` (`[n, positions..., d]`, f32 or f64; the
    /// last coordinate 1 where activations are centered). The parameters must have passed [`Lib::check`].
    ///
    /// ```
    /// use tandem_algos::interaction::{Lib, Section, with_constant};
    /// use tandem_compile::{HostArray, Tensor, jit};
    /// use tandem_verify::rng::normal;
    ///
    /// // Any function is a section; these are linear, and pass the constant coordinate on.
    /// let lib = Lib::new();
    /// let program = jit(|(x, a, b): (Tensor, Tensor, Tensor)| {
    ///     let (a, b) = (&a, &b);
    ///     let hidden = move |f: &Tensor| with_constant(&f.slice(1, 0, 3).dot(a));
    ///     let sections: Vec<Section> = vec![Box::new(hidden), Box::new(move |f: &Tensor| f.slice(1, 0, 5).dot(b))];
    ///     let found = lib.trace(&sections, &with_constant(&x));
    ///     (found.layers[0].lambda.clone(), found.layers[1].lambda.clone())
    /// });
    /// let array = |seed, shape: [usize; 2]| HostArray::new(shape, normal(seed, shape[0] * shape[1])).unwrap();
    /// let (first, second): (Vec<f64>, Vec<f64>) =
    ///     program.call((&array(1, [40, 3]), &array(2, [3, 5]), &array(3, [5, 2])))?;
    /// // Without a nonlinearity every layer has the output's two directions, with the same weights.
    /// assert!((first[1] - second[1]).abs() < 1e-12 && (first[2] - second[2]).abs() < 1e-12);
    /// # Ok::<(), tandem_compile::Error>(())
    /// ```
    #[track_caller]
    pub fn trace(&self, sections: &[Section<'_>], x: &Tensor) -> Interaction {
        self.trace_if(&scalar(true), sections, x)
    }

    /// [`Lib::trace`] of a network whose weights are `sound`, bool: else NaN is what comes out.
    #[track_caller]
    pub fn trace_if(&self, sound: &Tensor, sections: &[Section<'_>], x: &Tensor) -> Interaction {
        if sections.is_empty() || x.ndim() < 2 || x.ty().is_empty() {
            let message = format!("lib: at least one section and activations [n, ..., d] expected, got {}", x.ty());
            return Interaction { status: refuse(message), layers: Vec::new() };
        }
        let batches = Batches::new(x, self.batch);
        let layers = Backward { lib: *self, batches: &batches, sections }.layers();
        let finite = sound & max_abs(&rows(x)).is_finite();
        finished(layers, &finite)
    }
}

/// A layer's basis, and whether it is of use.
struct Found {
    coordinates: Coordinates,
    edges: Tensor,
    degenerate: Tensor,
}

/// The recursion over the layers.
struct Backward<'a, 'b> {
    lib: Lib,
    batches: &'a Batches,
    sections: &'a [Section<'b>],
}

impl Backward<'_, '_> {
    /// The layers, the first one first.
    fn layers(&self) -> Vec<Found> {
        let Lib { center, rotate_output, .. } = self.lib;
        let center = center && self.lib.has_constant();
        let all = moments(self.batches, self.sections, center, rotate_output);
        let mut found: Vec<Found> = Vec::new();
        if let Some(output) = all.get(self.sections.len()) {
            found.push(self.output(output));
        }
        for l in (0..self.sections.len()).rev() {
            let next = found.last().map(|next| next.coordinates.c.clone());
            found.push(self.layer(l, &all[l], next.as_ref()));
        }
        found.reverse();
        found
    }

    /// The principal components of the output, which has no constant coordinate: nothing is centered.
    fn output(&self, moments: &Moments) -> Found {
        let limit = self.lib.limit(moments.gram.dtype());
        let coordinates = Whitening::new(moments, limit, false).components().with_canonical_signs();
        let edges = zeros([0, coordinates.c.dim(0)], coordinates.c.dtype());
        Found { coordinates, edges, degenerate: scalar(false) }
    }

    fn layer(&self, l: usize, moments: &Moments, next: Option<&Tensor>) -> Found {
        let lib = &self.lib;
        let (d, dtype) = (moments.gram.dim(0), moments.gram.dtype());
        let limit = lib.limit(dtype);
        let centered = lib.has_constant();
        let to_next = |f: &Tensor| rotated(&self.sections[l](f), next);
        let to_output = |f: &Tensor| through(&self.sections[l..], f.clone());
        let coordinates = match lib.basis {
            Basis::Local => {
                let whitening = Whitening::new(moments, limit, centered);
                let m = self.mean_gram(l, &to_next, &whitening.r_plus);
                Coordinates::new(&whitening, &m, limit)
            }
            Basis::Global => {
                let whitening = Whitening::new(moments, limit, centered);
                let m = self.mean_gram(l, &to_output, &whitening.r_plus);
                Coordinates::new(&whitening, &m, limit)
            }
            Basis::Pca => Whitening::new(moments, limit, centered).components(),
            Basis::Jacobian => {
                let m = self.mean_gram(l, &to_next, &eye(d, dtype));
                Coordinates::unwhitened(&m, limit)
            }
            Basis::Neuron => Coordinates::neurons(moments.gram.diag() * moments.unit.square()),
        };
        let coordinates = coordinates.with_canonical_signs();
        let before = |x: Tensor| through(&self.sections[..l], x);
        let width = self.width_after(l);
        let edges = edges(self.batches, before, to_next, &coordinates, &lib.edges, width);
        let constant = i32::from(centered);
        let lost = coordinates.rank().le(constant);
        let degenerate = if centered { lost | !&moments.has_constant } else { lost };
        Found { coordinates, edges, degenerate }
    }

    fn mean_gram(&self, l: usize, section: &dyn Fn(&Tensor) -> Tensor, directions: &Tensor) -> Tensor {
        let before = |x: Tensor| through(&self.sections[..l], x);
        mean_gram(self.batches, before, section, directions, &self.lib.sources)
    }

    /// The width of the layer after section `l`: traced for its shape alone.
    fn width_after(&self, l: usize) -> usize {
        let y = through(&self.sections[..=l], self.batches.first());
        positions(&y).1
    }
}

/// Activations in the coordinates C, or as they are.
fn rotated(f: &Tensor, c: Option<&Tensor>) -> Tensor {
    c.map_or_else(|| f.clone(), |c| f.dot(c))
}

/// The layers with NaN where the inputs are not finite, and the status.
fn finished(layers: Vec<Found>, finite: &Tensor) -> Interaction {
    let (mut degenerate, mut broken) = (scalar(false), scalar(false));
    let mut node_layers = Vec::new();
    for Found { coordinates, edges, degenerate: own } in layers {
        let rank = coordinates.rank();
        let Coordinates { c, c_plus, weight, .. } = coordinates;
        degenerate = degenerate | own;
        for numbers in [&c, &c_plus, &weight, &edges] {
            broken = broken | !numbers.is_finite().all();
        }
        let or_nan = |x: &Tensor| finite.select(x, number(f64::NAN, x.dtype()));
        node_layers.push(NodeLayer {
            c: or_nan(&c),
            c_pinv: or_nan(&c_plus),
            lambda: or_nan(&weight),
            edges: or_nan(&edges),
            rank: finite.select(rank, 0),
        });
    }
    let conditions = [(Status::DEGENERATE, &degenerate), (Status::BREAKDOWN, &broken)];
    Interaction { status: Status::traced(finite, &conditions), layers: node_layers }
}
