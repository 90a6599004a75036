//! That what is drawn is everything: a family of operations that draws nothing any more would test nothing.

use std::collections::HashSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tandem_compile::Graph;
use tandem_compile::ops::Kind;

use crate::checks::traced;
use crate::program::programs;
use crate::steps::apply;

/// How many programs the search ends after.
const ENOUGH: usize = 1500;

fn kinds(graph: &Graph, found: &mut HashSet<Kind>) {
    for node in graph.nodes() {
        found.insert(node.op.kind());
        node.op.subgraphs().into_iter().for_each(|graph| kinds(graph, found));
    }
}

/// Rules that a user writes have tests of their own (`transforms.rs`): no random one would be right.
fn is_drawn(kind: Kind) -> bool {
    !matches!(kind, Kind::StopGradient | Kind::CustomJvp | Kind::CustomVjp | Kind::Kernel | Kind::LinearSolve)
}

#[test]
fn every_primitive_is_drawn() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut found = HashSet::new();
    let missing = |found: &HashSet<Kind>| -> Vec<Kind> {
        Kind::ALL.iter().copied().filter(|kind| is_drawn(*kind) && !found.contains(kind)).collect()
    };
    for _ in 0..ENOUGH {
        let program = programs().new_tree(&mut runner).unwrap_or_else(|reason| panic!("{reason}")).current();
        let graph = traced(&program.inputs, |x| apply(&program, &x).results).unwrap_or_else(|error| panic!("{error}"));
        kinds(&graph, &mut found);
        if missing(&found).is_empty() {
            return;
        }
    }
    panic!("not one of {ENOUGH} programs has {:?}", missing(&found));
}
