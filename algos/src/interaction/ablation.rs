//! How few nodes, or edges, suffice: the network with some of them taken away, and bisection for the smallest number that
//! keeps its score.

use tandem_compile::{DType, Tensor, fori_loop, iota, map, number, refuse, scalar, zeros};

use super::Section;
use super::graph::NodeLayer;
use super::moments::Batches;
use super::section::{positions, rows, through};

/// A network and the data on which it is judged.
///
/// The score of a network is the mean over the samples of what `score` gives of its output for a batch, `[batch]`, beside
/// the `targets` of that batch ([`accuracy`] for example).
pub struct Ablation<'a, 'b> {
    /// The network.
    pub sections: &'a [Section<'b>],
    /// The first node layer's activations, `[n, positions..., d]`.
    pub x: &'a Tensor,
    /// What the output is compared with, `[n, ...]` in x's dtype.
    pub targets: &'a Tensor,
    /// One number per sample from the output and the targets of a batch.
    pub score: &'a dyn Fn(&Tensor, &Tensor) -> Tensor,
    /// Samples that go through the network at once.
    pub batch: usize,
    /// Whether the first direction is the constant one, whose edges are free.
    pub constant: bool,
}

/// The score of a classifier: 1 where the largest of the outputs (`[batch, 1..., classes]`) is the target's (`[batch]`), else
/// 0.
pub fn accuracy(output: &Tensor, target: &Tensor) -> Tensor {
    let Some(&classes) = output.shape().last() else {
        return refuse(format!("accuracy: outputs [batch, ..., classes] expected, got {}", output.ty()));
    };
    let flat = output.reshape([output.dim(0), classes]);
    flat.argmax(1).convert(target.dtype()).eq(target.reshape([target.dim(0)])).convert(output.dtype())
}

impl Ablation<'_, '_> {
    /// Traces the score of the whole network.
    #[track_caller]
    pub fn score(&self) -> Tensor {
        self.mean_score(&|x: Tensor| through(self.sections, x))
    }

    /// Traces the score where node layer `l` has only its first directions: the last `ablated` (i32) of those in `node` that
    /// are kept are taken away. With none taken away it is the whole network's, bit by bit.
    #[track_caller]
    pub fn without_nodes(&self, l: usize, node: &NodeLayer, ablated: &Tensor) -> Tensor {
        let d = node.c.dim(0);
        let stays = iota([1, d], 1, DType::I32).lt(&node.rank - ablated);
        let projector = stays.select(&node.c, 0.0).dot(&node.c_pinv);
        let none = ablated.le(0);
        self.mean_score(&|x: Tensor| {
            let f = through(&self.sections[..l], x);
            let left = none.select(&f, rows(&f).dot(&projector).reshape(f.shape()));
            through(&self.sections[l..], left)
        })
    }

    /// Traces the score where only the `kept` (i32) largest edges from layer `l` to the next one are left, of equals the
    /// first: every coordinate of the next layer (`next`; `None` where it stays as it is) is computed from those
    /// coordinates of `node` alone to which it has an edge. Edges of the constant direction stay and do not count.
    #[track_caller]
    pub fn with_edges(&self, l: usize, node: &NodeLayer, next: Option<&NodeLayer>, kept: &Tensor) -> Tensor {
        self.with_ranked(l, node, next, &self.ranked(node), kept)
    }

    /// The place of every edge in the order of size, i32 `[d', d]`; -1 for those that are free.
    fn ranked(&self, node: &NodeLayer) -> Tensor {
        let (r, d) = (node.edges.dim(0), node.edges.dim(1));
        let free = iota([r, d], 1, DType::I32).lt(i32::from(self.constant));
        // Free ones come last.
        let order = free.select(-1.0, &node.edges).reshape([r * d]).argsort(0, true);
        let place = zeros([r * d], DType::I32).scatter_set(&order, iota([r * d], 0, DType::I32), 0);
        free.select(number(-1.0, DType::I32), place.reshape([r, d]))
    }

    fn with_ranked(
        &self,
        l: usize,
        node: &NodeLayer,
        next: Option<&NodeLayer>,
        ranked: &Tensor,
        kept: &Tensor,
    ) -> Tensor {
        let masks = ranked.lt(kept).convert(node.c.dtype());
        let section = &self.sections[l];
        self.mean_score(&|x: Tensor| {
            let f = through(&self.sections[..l], x);
            let hat = rows(&f).dot(&node.c);
            let coordinate = |(mask, at): (Tensor, Tensor)| {
                let own = (&hat * mask.expand_dims(0)).dot(&node.c_pinv);
                let y = section(&own.reshape(f.shape()));
                let (_, width) = positions(&y);
                match next {
                    Some(next) => rows(&y).dot(&next.c.index(1, &at).reshape([width, 1])),
                    None => rows(&y).index(1, &at).expand_dims(1),
                }
            };
            let all = map((masks.clone(), iota([masks.dim(0)], 0, DType::I32)), coordinate);
            let hat = all.squeeze(2).t();
            let like = section(&f);
            let back = next.map_or_else(|| hat.clone(), |next| hat.dot(&next.c_pinv));
            through(&self.sections[l + 1..], back.reshape(like.shape()))
        })
    }

    /// Traces the smallest number of directions of layer `l` that keep the score within `drop` of the whole network's, i32.
    /// Found by bisection, which takes the score for a function that grows with the number.
    #[track_caller]
    pub fn nodes_needed(&self, l: usize, node: &NodeLayer, drop: f64) -> Tensor {
        let wanted = self.score() - drop;
        smallest(node.c.dim(0), &node.rank, |count| self.without_nodes(l, node, &(&node.rank - count)).ge(&wanted))
    }

    /// Traces the smallest number of edges from layer `l` that keep the score within `drop` of the whole network's, i32;
    /// as [`Ablation::nodes_needed`].
    #[track_caller]
    pub fn edges_needed(&self, l: usize, node: &NodeLayer, next: Option<&NodeLayer>, drop: f64) -> Tensor {
        let (r, d) = (node.edges.dim(0), node.edges.dim(1) - usize::from(self.constant));
        let (wanted, ranked) = (self.score() - drop, self.ranked(node));
        let all = number((r * d) as f64, DType::I32);
        smallest(r * d, &all, |count| self.with_ranked(l, node, next, &ranked, count).ge(&wanted))
    }

    #[track_caller]
    fn mean_score(&self, network: &dyn Fn(Tensor) -> Tensor) -> Tensor {
        if self.x.ndim() == 0 || self.targets.shape().first() != self.x.shape().first() {
            let (x, targets) = (self.x.ty(), self.targets.ty());
            return refuse(format!(
                "ablation: as many targets as samples expected, got samples {x} and targets {targets}"
            ));
        }
        let inputs = Batches::new(self.x, self.batch);
        let targets = Batches::new(self.targets, self.batch);
        let sum = inputs.fold(number(0.0, self.x.dtype()), |sum, at, x, weight| {
            let scores = (self.score)(&network(x), &targets.at(&at));
            sum + (scores * weight).sum()
        });
        sum / inputs.samples as f64
    }
}

/// The smallest count of `0..=limit` for which `holds`, which is true from some count on; `limit` (at most `most`) where
/// it never is.
fn smallest(most: usize, limit: &Tensor, holds: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let trips = usize::BITS - most.leading_zeros() + 1;
    let start = (scalar(0i32), limit.clone());
    let (low, _) = fori_loop(0, trips as i32, start, |_, (low, high)| {
        let middle = (&low + &high) / 2;
        let open = low.lt(&high);
        let enough = holds(&middle);
        let next_low = (&open & !&enough).select(&middle + 1, &low);
        (next_low, (open & enough).select(&middle, &high))
    });
    low
}
