//! `tandem run cur-search`: what comes out of a matrix of low rank, and what is refused.

use serde_json::json;
use tandem::compile::{DType, HostArray};

use crate::tool::{Folder, distance};

const P: usize = 6;
const ITEMS: usize = 9;
const QUERIES: usize = 2;
const ANCHORS: [i32; 4] = [7, 0, 3, 5];

/// A score matrix of rank 3, `[P + QUERIES, ITEMS]`; its last rows are the new queries'.
fn score(query: usize, item: usize) -> f64 {
    let left = |k: usize| ((query * (k + 2) + k * k) % 7) as f64 - 2.0;
    let right = |k: usize| ((item * item + 3 * item * k + k) % 5) as f64 - 1.5;
    (0..3).map(|k| left(k) * right(k)).sum()
}

fn row(query: usize) -> Vec<f64> {
    (0..ITEMS).map(|item| score(P + query, item)).collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.array("rows.npy", &HostArray::from_fn([P, ITEMS], |at| score(at / ITEMS, at % ITEMS)));
    folder.array("index.npy", &HostArray::from_fn([4], |i| ANCHORS[i]));
    let known = |at: usize| score(P + at / 4, ANCHORS[at % 4] as usize);
    folder.array("known.npy", &HostArray::from_fn([QUERIES, 4], known));
    folder
}

const INPUTS: &str = "--input anchor_rows=rows.npy --input item_index=index.npy --input query_scores=known.npy";

#[test]
fn rows_of_low_rank_are_completed_and_ranked() {
    let folder = folder();
    for (dtype, accuracy) in [("f32", 1e-4), ("f64", 1e-12)] {
        for device in ["cpu", "reference"] {
            let out = format!("{device}-{dtype}");
            let run = format!("run cur-search {INPUTS} --set topk=3 --device {device} --dtype {dtype} --out {out}");
            // Rank 3 of an intersection that could have 4: said, and no failure.
            let answer = folder.tandem(&format!("{run} --json")).exits(0);
            assert_eq!(answer.json()["status"], json!(["RANK_DEFICIENT"]), "{answer:?}");
            assert_eq!(folder.names(&out), ["run.json", "scores.npy", "top_index.npy", "top_score.npy"]);
            let found = |name: &str| folder.read(&format!("{out}/{name}.npy"));
            assert_eq!(
                (found("scores").shape(), found("top_index").shape()),
                (&[QUERIES, ITEMS][..], &[QUERIES, 3][..])
            );
            assert_eq!(found("top_index").dtype(), DType::I32);
            let scores = found("scores").to_f64();
            assert!(distance(&scores, &[row(0), row(1)].concat()) < accuracy, "{scores:?}");
            for query in 0..QUERIES {
                let (scores, best) =
                    (&scores[query * ITEMS..][..ITEMS], &found("top_index").to_f64()[query * 3..][..3]);
                let named: Vec<f64> = best.iter().map(|&item| scores[item as usize]).collect();
                assert_eq!(named, found("top_score").to_f64()[query * 3..][..3]);
                assert!(named[0] >= named[1] && named[1] >= named[2]);
                let beaten = scores.iter().filter(|&&score| score > named[2]).count();
                assert!(beaten <= 2, "{best:?} of {scores:?}");
            }
        }
    }
}

#[test]
fn a_cut_of_the_singular_values_is_a_parameter() {
    let folder = folder();
    let run = |rcond: &str, out: &str| {
        let set = format!("--set topk=9 --set rcond={rcond} --dtype f64 --device reference --out {out}");
        folder.tandem(&format!("run cur-search {INPUTS} {set}")).exits(0);
        folder.numbers(&format!("{out}/scores.npy"))
    };
    assert_eq!(run("0", "none"), run("1e-13", "small"));
    assert!(distance(&run("0.9", "most"), &run("0", "again")) > 0.1);
    for rcond in ["1", "-0.5"] {
        let set = format!("--set topk=2 --set rcond={rcond}");
        folder.tandem(&format!("run cur-search {INPUTS} {set} --out o")).refused("must be in [0, 1)");
    }
}

#[test]
fn a_bad_number_in_a_query_is_that_querys_alone() {
    let folder = folder();
    let known = |at: usize| if at == 1 { f64::NAN } else { score(P + at / 4, ANCHORS[at % 4] as usize) };
    folder.array("known.npy", &HostArray::from_fn([QUERIES, 4], known));
    folder.tandem(&format!("run cur-search {INPUTS} --set topk=2 --out o")).refused("the element [0, 1] is NaN");
    for device in ["cpu", "reference"] {
        let set = format!("--set topk=2 --dtype f64 --allow-nonfinite --device {device} --out {device}");
        let answer = folder.tandem(&format!("run cur-search {INPUTS} {set}")).exits(1);
        assert!(answer.err.contains("NONFINITE_INPUT"), "{answer:?}");
        let scores = folder.numbers(&format!("{device}/scores.npy"));
        assert!(scores[..ITEMS].iter().all(|x| x.is_nan()));
        assert!(distance(&scores[ITEMS..], &row(1)) < 1e-12);
        let best = folder.numbers(&format!("{device}/top_index.npy"));
        assert!(best[..2] == [-1.0, -1.0] && best[2..].iter().all(|&item| item >= 0.0), "{best:?}");
    }
}

#[test]
fn anchors_that_are_no_items_or_stand_twice_are_refused() {
    let refused = |index: [i32; 4], says: &str| {
        let folder = folder();
        folder.array("index.npy", &HostArray::from_fn([4], |i| index[i]));
        folder.tandem(&format!("run cur-search {INPUTS} --set topk=2 --out o")).refused(says);
        assert_eq!(folder.names(""), ["index.npy", "known.npy", "rows.npy"]);
    };
    refused([7, 0, 9, 5], "item_index[2] is 9; the items are 0 to 8");
    refused([7, -1, 3, 5], "item_index[1] is -1; the items are 0 to 8");
    refused([7, 0, 3, 7], "item_index[3] is 7, and so is item_index[0]; anchors must differ");
    let folder = folder();
    folder.array("index.npy", &HostArray::from_fn([4], |i| i as f64 + 0.5));
    folder.tandem(&format!("run cur-search {INPUTS} --set topk=2 --out o")).refused("item_index");
}

#[test]
fn shapes_and_counts_that_do_not_fit_are_refused() {
    let folder = folder();
    let refused = |arguments: &str, says: &str| {
        folder.tandem(&format!("run cur-search {arguments} --out o")).refused(says);
    };
    refused(&format!("{INPUTS} --set topk=0"), "topk = 0: between 1 and the number of items, 9, is supported");
    refused(&format!("{INPUTS} --set topk=10"), "topk = 10");
    refused(INPUTS, "topk must be set");
    refused("--input anchor_rows=rows.npy --input item_index=index.npy --set topk=2", "query_scores is missing");
    let swapped = "--input anchor_rows=known.npy --input item_index=index.npy --input query_scores=rows.npy";
    refused(&format!("{swapped} --set topk=2"), "query_scores has shape [6, 9], expected [queries, 4]");
    let matrix = INPUTS.replace("item_index=index.npy", "item_index=rows.npy");
    refused(&format!("{matrix} --set topk=2"), "item_index");
    let vector = INPUTS.replace("anchor_rows=rows.npy", "anchor_rows=index.npy");
    refused(&format!("{vector} --set topk=2"), "anchor_rows must be a matrix [p, items], it has shape [4]");
}
