//! The best of 800 items for a sentence, where every score is expensive: recall within a budget of score calls, of a CUR
//! decomposition's completed rows and of re-ranked lists of cheap retrievers.
//!
//! `cargo run --release --example retrieval`; what it prints is explained in docs/retrieval.md.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, ArrayView1, Axis};
use tandem::files::FileRef;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
/// Sentences whose scores against all items are known beforehand; the other 60 ask.
const ANCHOR_QUERIES: usize = 100;
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const BUDGETS: [usize; 5] = [20, 50, 100, 200, 300];
const RECALLS: [usize; 4] = [1, 10, 50, 100];
/// Singular values of the intersection up to this share of the largest count as zero; and what else is tried.
const RCOND: f64 = 0.02;
const OTHER_RCONDS: [f64; 5] = [0.0, 0.005, 0.02, 0.05, 0.1];
/// The rounds of an adaptive search after its first anchors, which take a quarter of the budget.
const ROUNDS: usize = 4;
/// The ridge of the distilled dual encoder, relative to the mean squared norm of an embedding.
const RIDGE: f64 = 0.1;

fn main() -> tandem::Result<()> {
    let device = Device::default()?;
    let data = Data::read()?;
    let methods: [(&str, &Method); 7] = [
        ("CUR, uniform anchors", &|split, budget| {
            let anchors = uniform_anchors(split.seed, data.items(), budget / 2);
            cur(&device, &data, split, &vec![anchors; split.asking.len()], budget, 1, RCOND)
        }),
        ("CUR, adaptive", &|split, budget| {
            let anchors = uniform_anchors(split.seed, data.items(), budget / 4);
            cur(&device, &data, split, &vec![anchors; split.asking.len()], budget, ROUNDS, RCOND)
        }),
        ("CUR, adaptive from the distilled list", &|split, budget| {
            let first = ranked(&split.distilled, budget / 4);
            cur(&device, &data, split, &first, budget, ROUNDS, RCOND)
        }),
        ("distilled dual encoder", &|split, budget| Ok(ranked(&split.distilled, budget))),
        ("dual encoder of mean embeddings", &|split, budget| Ok(ranked(&split.embedded, budget))),
        ("TF-IDF", &|split, budget| Ok(ranked(&split.words, budget))),
        ("any items", &|split, budget| {
            Ok(vec![uniform_anchors(split.seed + 100, data.items(), budget); split.asking.len()])
        }),
    ];
    let splits: Vec<Split> = SEEDS.iter().map(|&seed| Split::new(&data, seed)).collect::<tandem::Result<_>>()?;
    println!(
        "{} sentences x {} items; {ANCHOR_QUERIES} sentences are anchors, {} ask; {} seeds\n",
        data.scores.nrows(),
        data.items(),
        data.scores.nrows() - ANCHOR_QUERIES,
        SEEDS.len()
    );
    let table: Vec<Vec<[Mean; 4]>> = methods
        .iter()
        .map(|(_, method)| BUDGETS.iter().map(|&budget| recalls(&data, &splits, budget, method)).collect())
        .collect::<tandem::Result<_>>()?;
    for (at, k) in RECALLS.iter().enumerate() {
        print_row(&format!("recall@{k}; calls per query:"), BUDGETS.map(|budget| format!("{budget:7}")).to_vec());
        for ((name, _), means) in methods.iter().zip(&table) {
            print_row(name, means.iter().map(|means| format!("{:7.3}", means[at].value)).collect());
        }
        println!();
    }
    let error = table.iter().flatten().flatten().map(|mean| mean.error).fold(0.0, f64::max);
    println!("The largest standard error of these means over seeds is {error:.3}.\n");

    print_row("recall@10; CUR, uniform anchors:", BUDGETS.map(|budget| format!("{budget:7}")).to_vec());
    for rcond in OTHER_RCONDS {
        let method = |split: &Split, budget: usize| {
            let anchors = uniform_anchors(split.seed, data.items(), budget / 2);
            cur(&device, &data, split, &vec![anchors; split.asking.len()], budget, 1, rcond)
        };
        let cell = |budget: &usize| -> tandem::Result<String> {
            Ok(format!("{:7.3}", recalls(&data, &splits, *budget, &method)?[1].value))
        };
        print_row(&format!("rcond {rcond}"), BUDGETS.iter().map(cell).collect::<tandem::Result<_>>()?);
    }
    Ok(())
}

fn print_row(name: &str, cells: Vec<String>) {
    println!("{name:40}{}", cells.concat());
}

/// A mean over seeds with its standard error.
struct Mean {
    value: f64,
    error: f64,
}

impl Mean {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - value) * (x - value)).sum::<f64>() / (n - 1.0);
        Self { value, error: (variance / n).sqrt() }
    }
}

/// The items that a method scores exactly for every asking sentence, at most as many as the budget.
type Method<'a> = dyn Fn(&Split, usize) -> tandem::Result<Vec<Vec<usize>>> + 'a;

/// The share of the k truly best items that are among the scored ones, for every k of [`RECALLS`].
fn recalls(data: &Data, splits: &[Split], budget: usize, method: &Method) -> tandem::Result<[Mean; 4]> {
    let mut shares = [const { Vec::new() }; 4];
    for split in splits {
        let mut found = [0; 4];
        for (&query, scored) in split.asking.iter().zip(method(split, budget)?) {
            let best = order(data.scores.row(query));
            for (found, k) in found.iter_mut().zip(RECALLS) {
                *found += best[..k].iter().filter(|item| scored.contains(item)).count();
            }
        }
        for ((shares, found), k) in shares.iter_mut().zip(found).zip(RECALLS) {
            shares.push(found as f64 / (k * split.asking.len()) as f64);
        }
    }
    Ok(shares.map(|shares| Mean::of(&shares)))
}

/// A search by CUR from `first` anchors of every asking sentence: the items that it scores.
fn cur(
    device: &Device,
    data: &Data,
    split: &Split,
    first: &[Vec<usize>],
    budget: usize,
    rounds: usize,
    rcond: f64,
) -> tandem::Result<Vec<Vec<usize>>> {
    let rows = data.scores.select(Axis(0), &split.anchors);
    let retriever = Retriever::new(device, rows.view(), &first[0], rcond)?;
    let plan = Plan::new(budget, budget).anchors(first[0].len()).rounds(rounds);
    let score = |asking: usize, item: usize| f64::from(data.scores[[split.asking[asking], item]]);
    Ok(retriever.search_from(&plan, first, score)?.into_iter().map(|found| found.items).collect())
}

/// Positions by decreasing score, of equals the first.
fn order(scores: ArrayView1<f32>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
    order
}

/// The first `count` of every row's order.
fn ranked(scores: &Array2<f32>, count: usize) -> Vec<Vec<usize>> {
    scores.rows().into_iter().map(|row| order(row)[..count].to_vec()).collect()
}

/// The score matrix and what is cheap to know of sentences and items.
struct Data {
    /// `[160, 800]`, sentences by items: the expensive score.
    scores: Array2<f32>,
    /// The words of every sentence and of every item.
    sentences: Vec<Vec<String>>,
    texts: Vec<Vec<String>>,
    /// The words of every sentence as the network reads them, each with its activations.
    tokens: Vec<Vec<(String, Vec<f32>)>>,
}

impl Data {
    fn read() -> tandem::Result<Self> {
        let scores = FileRef::parse(&format!("{DATA}/maxsim_scores.npy"))?.read()?;
        let activations = FileRef::parse(&format!("{DATA}/mlp_activations.npy"))?.read()?.cast(DType::F32)?;
        let size = activations.shape()[1];
        let (shape, activations) = ((scores.shape()[0], scores.shape()[1]), activations.into_values::<f32>()?);
        let mut tokens: Vec<Vec<(String, Vec<f32>)>> = vec![Vec::new(); shape.0];
        for (line, row) in text("mlp_tokens.txt")?.lines().zip(activations.chunks(size)) {
            let Some((sentence, token)) = line.split_once('\t') else { continue };
            let Some(sentence) = sentence.parse().ok().and_then(|at: usize| tokens.get_mut(at)) else { continue };
            // A piece that continues a word is part of it; the word's embedding is that of its first piece.
            match (token.strip_prefix("##"), sentence.last_mut()) {
                (Some(piece), Some((word, _))) => word.push_str(piece),
                _ => sentence.push((token.to_owned(), row.to_vec())),
            }
        }
        let scores = Array2::from_shape_vec(shape, scores.into_values::<f32>()?)
            .map_err(|e| tandem::Error::Host(e.to_string()))?;
        Ok(Self { scores, sentences: words("sentences.txt")?, texts: words("maxsim_items.txt")?, tokens })
    }

    fn items(&self) -> usize {
        self.scores.ncols()
    }
}

fn text(name: &str) -> tandem::Result<String> {
    let path = format!("{DATA}/{name}");
    std::fs::read_to_string(&path).map_err(|e| tandem::Error::Host(format!("{path}: {e}")))
}

/// The words after the tab of every line, in lower case.
fn words(name: &str) -> tandem::Result<Vec<Vec<String>>> {
    let split = |line: &str| -> Vec<String> {
        let text = line.split_once('\t').map_or(line, |(_, text)| text).to_lowercase();
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    Ok(text(name)?.lines().map(split).collect())
}

/// Which sentences are anchors and which ask, and what the cheap retrievers say of the asking ones, `[asking, items]`.
struct Split {
    seed: u64,
    anchors: Vec<usize>,
    asking: Vec<usize>,
    distilled: Array2<f32>,
    embedded: Array2<f32>,
    words: Array2<f32>,
}

impl Split {
    fn new(data: &Data, seed: u64) -> tandem::Result<Self> {
        let all = uniform_anchors(seed, data.scores.nrows(), data.scores.nrows());
        let (anchors, asking) = (all[..ANCHOR_QUERIES].to_vec(), all[ANCHOR_QUERIES..].to_vec());
        Ok(Self {
            distilled: distilled(data, &anchors, &asking)?,
            embedded: embedded(data, &anchors, &asking),
            words: tf_idf(data, &asking),
            seed,
            anchors,
            asking,
        })
    }
}

/// The mean of a sentence's token embeddings.
fn mean_embedding(tokens: &[(String, Vec<f32>)]) -> Vec<f32> {
    mean(tokens.iter().map(|(_, embedding)| embedding))
}

fn mean<'a>(vectors: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let (mut sum, mut count) = (Vec::new(), 0);
    for vector in vectors {
        sum.resize(vector.len(), 0.0);
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        count += 1;
    }
    sum.iter_mut().for_each(|sum| *sum /= count.max(1) as f32);
    sum
}

/// A dual encoder that learned from the anchor queries: a sentence is the mean of its tokens' activations, an item is the
/// vector whose dot products with the anchor sentences' come closest to their exact scores (least squares with a ridge, all
/// relative to the means over the anchor sentences).
fn distilled(data: &Data, anchors: &[usize], asking: &[usize]) -> tandem::Result<Array2<f32>> {
    let rows = |queries: &[usize]| -> Array2<f32> {
        let embeddings: Vec<Vec<f32>> = queries.iter().map(|&query| mean_embedding(&data.tokens[query])).collect();
        Array2::from_shape_fn((queries.len(), embeddings[0].len()), |(i, j)| embeddings[i][j])
    };
    let fit = jit(|(x, scores, new): (Tensor, Tensor, Tensor)| {
        let (centre, level) = (x.mean_axes([0]), scores.mean_axes([0]));
        let (x, new) = (x - &centre, new - &centre);
        let gram = x.contract(&x, 1, 1);
        let n = gram.dim(0);
        let ridge = gram.trace() * (RIDGE / n as f64);
        let weights = tandem::linalg::cholesky_solve(&(gram + ridge * eye(n, DType::F32)), &(scores - &level));
        new.contract(&x, 1, 1).dot(&weights) + level
    });
    fit.call((&rows(anchors), &data.scores.select(Axis(0), anchors), &rows(asking)))
}

/// A dual encoder that learned nothing: sentences and items are the means of their tokens' embeddings, relative to the mean
/// token, and are compared by their cosine. Of items only the text is there: a word's embedding is its mean activation in
/// the anchor sentences, and a word that does not stand there has none.
fn embedded(data: &Data, anchors: &[usize], asking: &[usize]) -> Array2<f32> {
    let mut uses: BTreeMap<&str, Vec<&Vec<f32>>> = BTreeMap::new();
    for (word, activations) in anchors.iter().flat_map(|&query| &data.tokens[query]) {
        uses.entry(word).or_default().push(activations);
    }
    let centre = mean(uses.values().flatten().copied());
    let relative = |x: Vec<f32>| -> Vec<f32> { x.iter().zip(&centre).map(|(x, c)| x - c).collect() };
    let table: BTreeMap<&str, Vec<f32>> =
        uses.iter().map(|(&word, uses)| (word, relative(mean(uses.iter().copied())))).collect();
    let items: Vec<Vec<f32>> =
        data.texts.iter().map(|words| mean(words.iter().filter_map(|word| table.get(word.as_str())))).collect();
    let sentences: Vec<Vec<f32>> = asking.iter().map(|&query| relative(mean_embedding(&data.tokens[query]))).collect();
    Array2::from_shape_fn((asking.len(), items.len()), |(i, j)| cosine(&sentences[i], &items[j]))
}

fn cosine(x: &[f32], y: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    dot(x, y) / (dot(x, x) * dot(y, y)).sqrt().max(f32::MIN_POSITIVE)
}

/// Cosines of TF-IDF vectors over words: counts times ln((1 + n) / (1 + uses)) + 1, with n and uses among the items.
fn tf_idf(data: &Data, asking: &[usize]) -> Array2<f32> {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for words in &data.texts {
        let distinct: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        distinct.into_iter().for_each(|word| *uses.entry(word).or_default() += 1);
    }
    let n = data.texts.len() as f64;
    let weigh = |words: &[String]| -> BTreeMap<String, f64> {
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        for word in words {
            let uses = uses.get(word.as_str()).copied().unwrap_or(0) as f64;
            *weights.entry(word.clone()).or_default() += ((1.0 + n) / (1.0 + uses)).ln() + 1.0;
        }
        let norm = weights.values().map(|x| x * x).sum::<f64>().sqrt();
        weights.values_mut().for_each(|x| *x /= norm);
        weights
    };
    let items: Vec<BTreeMap<String, f64>> = data.texts.iter().map(|words| weigh(words)).collect();
    let sentences: Vec<BTreeMap<String, f64>> = asking.iter().map(|&query| weigh(&data.sentences[query])).collect();
    Array2::from_shape_fn((asking.len(), items.len()), |(i, j)| {
        let shared = sentences[i].iter().filter_map(|(word, x)| Some(x * items[j].get(word)?));
        shared.sum::<f64>() as f32
    })
}
