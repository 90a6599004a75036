//! What the experiments measure of a basis: kept directions, and the nodes and edges that a score needs.

use std::path::Path;

use tandem::Error;
use tandem::algos::interaction::{Ablation, Drawing, Interaction, Layer, Lib, Section};
use tandem::prelude::*;

/// A node layer: [lambda, edges, rank, nodes needed, edges needed].
const PARTS: usize = 5;

/// The score and what is allowed to be lost of it.
pub struct Measure<'a> {
    pub score: &'a dyn Fn(&Tensor, &Tensor) -> Tensor,
    /// Nodes are counted for each of these losses.
    pub drops: &'a [f64],
    /// Whether the edges that the score needs are counted, for the first loss: as many passes as the next layer has directions,
    /// per count.
    pub edges: bool,
}

/// Traces status, whole score, and the parts of every node layer.
pub fn measured(lib: &Lib, sections: &[Section], x: &Tensor, targets: &Tensor, measure: &Measure) -> Vec<Tensor> {
    let Interaction { status, layers } = lib.trace(sections, x);
    let ablation =
        Ablation { sections, x, targets, score: measure.score, batch: lib.batch, constant: lib.has_constant() };
    let mut results = vec![status, ablation.score()];
    for l in 0..sections.len() {
        let edges = match measure.edges {
            true => ablation.edges_needed(l, &layers[l], layers.get(l + 1), measure.drops[0]),
            false => number(-1.0, DType::I32),
        };
        let nodes: Vec<Tensor> = measure.drops.iter().map(|&drop| ablation.nodes_needed(l, &layers[l], drop)).collect();
        let nodes = stack(&nodes.iter().collect::<Vec<_>>(), 0);
        let layer = &layers[l];
        results.extend([layer.lambda.clone(), layer.edges.clone(), layer.rank.clone(), nodes, edges]);
    }
    results
}

/// The results of [`measured`] on the host.
pub struct Report {
    pub score: f64,
    pub layers: Vec<Vec<HostArray>>,
}

impl Report {
    pub fn new(results: &[HostArray]) -> tandem::Result<Self> {
        let status = Status(results[0].values::<i32>()?[0]);
        if status != Status::default() {
            println!("status: {status}");
        }
        let layers = results[2..].chunks_exact(PARTS).map(<[HostArray]>::to_vec).collect();
        Ok(Self { score: results[1].to_f64()[0], layers })
    }

    fn count(&self, l: usize, part: usize) -> i64 {
        self.layers[l][part].to_f64()[0] as i64
    }

    /// The nodes of layer `l` that the score needs for each of the losses.
    pub fn nodes(&self, l: usize) -> Vec<f64> {
        self.layers[l][3].to_f64()
    }

    /// The kept directions of layer `l`, and the nodes and edges that the score needs.
    pub fn counts(&self, l: usize) -> [i64; 3] {
        [self.count(l, 2), self.count(l, 3), self.count(l, 4)]
    }

    /// How many of the largest edges of layer `l` hold this share of all edges' sum.
    pub fn edges_with(&self, l: usize, share: f64) -> usize {
        let mut edges = self.layers[l][1].to_f64();
        edges.sort_by(|a, b| b.total_cmp(a));
        let all: f64 = edges.iter().sum();
        let mut sum = 0.0;
        let enough = edges.iter().position(|edge| {
            sum += edge;
            sum >= share * all
        });
        enough.map_or(edges.len(), |at| at + 1)
    }

    /// Writes the graph as `target/lib/NAME.json` and `.svg`.
    pub fn draw(&self, name: &str, names: &[&str]) -> tandem::Result<()> {
        let last = self.layers.len() - 1;
        let mut layers = Vec::new();
        for (l, layer) in self.layers.iter().enumerate() {
            let next = if l < last { self.count(l + 1, 2) as usize } else { layer[1].shape()[0] };
            layers.push(Layer::new(names[l], &layer[0], &layer[1], self.count(l, 2) as i32, next)?);
        }
        layers.push(Layer::output(names[last + 1], self.layers[last][1].shape()[0]));
        let drawing = Drawing::new(layers);
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lib"));
        let write = |ending: &str, text: String| {
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(folder.join(format!("{name}.{ending}")), text))
                .map_err(|e| Error::Host(format!("{}: {e}", folder.display())))
        };
        write("json", drawing.json())?;
        write("svg", drawing.svg())
    }
}

/// A table of what several bases need, layer by layer.
pub fn print(names: &[&str], reports: &[(&str, Report)]) {
    println!("| layer | basis | directions | nodes needed | edges needed |\n|---|---|---|---|---|");
    for (l, name) in names.iter().enumerate().take(reports[0].1.layers.len()) {
        for (basis, report) in reports {
            let [rank, nodes, edges] = report.counts(l);
            println!("| {name} | {basis} | {rank} | {nodes} | {edges} |");
        }
    }
}
