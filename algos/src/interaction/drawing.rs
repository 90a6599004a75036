//! The interaction graph on the host: nodes, their weights and the edges between them, as JSON and as a picture.

use std::fmt::Write;

use serde_json::{Value, json};
use tandem_compile::{Error, HostArray, Result};

/// A node layer of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// What stands above it.
    pub name: String,
    /// L of the kept directions, the first ones.
    pub lambda: Vec<f64>,
    /// The edges to the next layer: `edges[i][j]` from this layer's node j to the next one's node i.
    pub edges: Vec<Vec<f64>>,
}

impl Layer {
    /// From the host arrays of a [`NodeLayer`](super::NodeLayer): `lambda` `[d]`, `edges` `[d', d]` and `rank`, and how many
    /// nodes the next layer has.
    ///
    /// # Errors
    /// Arrays that do not fit together.
    pub fn new(name: &str, lambda: &HostArray, edges: &HostArray, rank: i32, next: usize) -> Result<Self> {
        let (rank, width) = (usize::try_from(rank).unwrap_or(0), lambda.len());
        let fits = edges.shape().len() == 2 && edges.shape()[1] == width && rank <= width && next <= edges.shape()[0];
        if !fits {
            let (lambda, edges) = (lambda.ty(), edges.ty());
            let message =
                format!("lambda {lambda}, edges {edges}, rank {rank} and {next} nodes after do not fit together");
            return Err(Error::Host(message));
        }
        let all = edges.to_f64();
        let row = |i: usize| all[i * width..i * width + rank].to_vec();
        Ok(Self { name: name.into(), lambda: lambda.to_f64()[..rank].to_vec(), edges: (0..next).map(row).collect() })
    }

    /// The output layer: nodes without further edges.
    pub fn output(name: &str, nodes: usize) -> Self {
        Self { name: name.into(), lambda: vec![1.0; nodes], edges: Vec::new() }
    }
}

/// The picture of an interaction graph: layers from left to right, nodes by weight from top to bottom, edges wider and
/// darker by the logarithm of their size.
///
/// ```
/// use tandem_algos::interaction::{Drawing, Layer};
///
/// let input = Layer { name: "input".into(), lambda: vec![2.0, 0.5], edges: vec![vec![1.5, 0.1], vec![0.0, 0.4]] };
/// let drawing = Drawing::new(vec![input, Layer::output("output", 2)]);
/// assert!(drawing.svg().starts_with("<svg") && drawing.json().contains("\"from\": 0"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    layers: Vec<Layer>,
    /// The nodes that are drawn of a layer, the first ones.
    pub most_nodes: usize,
    /// The edges that are drawn from a layer, the largest ones.
    pub most_edges: usize,
}

/// Sizes in the picture.
const COLUMN: f64 = 220.0;
const ROW: f64 = 18.0;
const MARGIN: f64 = 40.0;
/// Edges of this share of their layer's largest one are no longer seen.
const FAINTEST: f64 = 1e-4;

/// An edge: its size, from node `from` to node `to` of the next layer.
struct Edge {
    from: usize,
    to: usize,
    size: f64,
}

impl Drawing {
    /// Of these layers, the input first.
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers, most_nodes: 60, most_edges: 1000 }
    }

    /// The edges from layer `l`, the largest first, of equals the first; zeros are none.
    fn edges(&self, l: usize) -> Vec<Edge> {
        let rows = self.layers[l].edges.iter().enumerate();
        let mut edges: Vec<Edge> = rows
            .flat_map(|(to, row)| row.iter().enumerate().map(move |(from, &size)| Edge { from, to, size }))
            .filter(|edge| edge.size > 0.0)
            .collect();
        edges.sort_by(|a, b| b.size.total_cmp(&a.size));
        edges
    }

    /// The whole graph as JSON: `{"layers": [{"name", "nodes": [lambda]}], "edges": [{"layer", "from", "to", "size"}]}`, an
    /// edge's `layer` being the one that it leaves; numbers that are not finite are null.
    pub fn json(&self) -> String {
        let layers: Vec<Value> =
            self.layers.iter().map(|layer| json!({ "name": layer.name, "nodes": layer.lambda })).collect();
        let edges: Vec<Value> = (0..self.layers.len())
            .flat_map(|l| self.edges(l).into_iter().map(move |edge| (l, edge)))
            .map(|(l, edge)| json!({ "layer": l, "from": edge.from, "to": edge.to, "size": edge.size }))
            .collect();
        serde_json::to_string_pretty(&json!({ "layers": layers, "edges": edges })).unwrap_or_default()
    }

    /// The picture as SVG.
    pub fn svg(&self) -> String {
        let rows = self.layers.iter().map(|layer| layer.lambda.len().min(self.most_nodes)).max().unwrap_or(0);
        let width = 2.0 * MARGIN + COLUMN * self.layers.len().saturating_sub(1) as f64 + 40.0;
        let height = 2.0 * MARGIN + ROW * rows as f64;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for l in 0..self.layers.len() {
            self.draw_edges(l, &mut text);
        }
        for l in 0..self.layers.len() {
            self.draw_nodes(l, &mut text);
        }
        text + "</svg>\n"
    }

    fn place(&self, l: usize, node: usize) -> (f64, f64) {
        (MARGIN + COLUMN * l as f64, MARGIN + ROW * (node as f64 + 0.5))
    }

    fn draw_edges(&self, l: usize, text: &mut String) {
        let edges = self.edges(l);
        let Some(largest) = edges.first().map(|edge| edge.size) else { return };
        let drawn = edges.iter().filter(|edge| edge.from.max(edge.to) < self.most_nodes).take(self.most_edges);
        for edge in drawn {
            // 1 for the largest, 0 for the faintest.
            let strength = 1.0 - (edge.size / largest).log10() / FAINTEST.log10();
            if strength <= 0.0 {
                continue;
            }
            let ((x1, y1), (x2, y2)) = (self.place(l, edge.from), self.place(l + 1, edge.to));
            let (stroke, opacity) = (0.3 + 2.5 * strength, 0.1 + 0.8 * strength);
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#245\" \
                 stroke-width=\"{stroke:.2}\" stroke-opacity=\"{opacity:.2}\"><title>{:.4e}</title></line>",
                edge.size
            );
        }
    }

    fn draw_nodes(&self, l: usize, text: &mut String) {
        let layer = &self.layers[l];
        let (x, _) = self.place(l, 0);
        let name = layer.name.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>", MARGIN / 2.0);
        for (node, lambda) in layer.lambda.iter().enumerate().take(self.most_nodes) {
            let (x, y) = self.place(l, node);
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#e80\" stroke=\"#245\"><title>{name} {node}: \
                 {lambda:.4e}</title></circle>"
            );
        }
        if let Some(more) = layer.lambda.len().checked_sub(self.most_nodes).filter(|&more| more > 0) {
            let (x, y) = self.place(l, self.most_nodes);
            let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{more} more</text>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_edges_are_those_of_the_arrays() {
        let lambda = HostArray::from_fn([3], |i| [4.0, 1.0, 0.0][i]);
        let edges = HostArray::from_fn([2, 3], |at| at as f64);
        let layer = Layer::new("a < b", &lambda, &edges, 2, 2).unwrap();
        assert_eq!((&layer.lambda[..], &layer.edges[1][..]), (&[4.0, 1.0][..], &[3.0, 4.0][..]));
        let drawing = Drawing::new(vec![layer, Layer::output("out", 2)]);
        let value: Value = serde_json::from_str(&drawing.json()).unwrap();
        // The edge of size 0 is none.
        assert_eq!(value["edges"].as_array().map(Vec::len), Some(3));
        assert_eq!(value["edges"][0], json!({ "layer": 0, "from": 1, "to": 1, "size": 4.0 }));
        let svg = drawing.svg();
        assert_eq!((svg.matches("<circle").count(), svg.matches("<line").count()), (4, 3));
        assert!(svg.contains("a &lt; b"));
        assert!(Layer::new("x", &lambda, &edges, 4, 2).is_err());
    }

    #[test]
    fn large_graphs_are_cut_to_what_can_be_seen() {
        let layer = Layer { name: "x".into(), lambda: vec![1.0; 100], edges: vec![vec![1.0; 100]; 100] };
        let mut drawing = Drawing::new(vec![layer, Layer::output("y", 100)]);
        (drawing.most_nodes, drawing.most_edges) = (10, 7);
        let svg = drawing.svg();
        assert_eq!((svg.matches("<circle").count(), svg.matches("<line").count()), (20, 7));
        assert_eq!(svg.matches("90 more").count(), 2);
    }
}
