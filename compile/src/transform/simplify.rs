//! Dropping what is not needed.

use crate::graph::Graph;
use crate::trace::Region;

impl Graph {
    /// The same function without the operations that no result needs.
    pub fn without_dead_code(&self) -> Graph {
        let mut needed = vec![false; self.value_count()];
        self.results().iter().for_each(|r| needed[r.index()] = true);
        let mut kept = vec![false; self.nodes().len()];
        for (node, kept) in self.nodes().iter().zip(&mut kept).rev() {
            *kept = node.outputs.iter().any(|o| needed[o.index()]);
            if *kept {
                node.inputs.iter().for_each(|i| needed[i.index()] = true);
            }
        }
        self.with_nodes(|at| kept[at])
    }

    /// Which parameters some operation or result needs.
    pub(crate) fn used_params(&self) -> Vec<bool> {
        let mut used = vec![false; self.value_count()];
        self.results().iter().for_each(|r| used[r.index()] = true);
        self.nodes().iter().flat_map(|node| &node.inputs).for_each(|i| used[i.index()] = true);
        self.params().iter().map(|p| used[p.index()]).collect()
    }
}

impl Region {
    /// Without dead operations, and without captures that only those needed.
    pub(crate) fn simplified(self) -> Region {
        let graph = self.graph.without_dead_code();
        let own = graph.params().len() - self.captures.len();
        let used = graph.used_params();
        let keep = |at: usize| at < own || used[at];
        let captures =
            self.captures.into_iter().enumerate().filter(|(i, _)| keep(own + i)).map(|(_, capture)| capture).collect();
        Region { graph: graph.with_params(keep), captures }
    }
}
