//! Semi-NMF of the MLP activations of a small language model: the tokens that use a feature most are related.
//!
//! `cargo run --release --example snmf`

use tandem::files::FileRef;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");

fn main() -> tandem::Result<()> {
    // One column per token: 1711 tokens of 160 sentences, 1536 neurons of layer 3.
    let activations = FileRef::parse(&format!("{DATA}/mlp_activations.npy^T"))?.read()?.cast(DType::F32)?;
    let (d, n) = (activations.shape()[0], activations.shape()[1]);
    let a = ndarray::Array2::from_shape_vec((d, n), activations.into_values::<f32>()?)
        .map_err(|e| tandem::Error::Host(e.to_string()))?;
    let device = Device::default()?;
    let f = Snmf::new(100).iters(200).sparsity(0.05).init(Init::Kmeans).top(n).fit(&device, a.view())?;
    let explained = 1.0 - f.loss.iter().copied().fold(f32::INFINITY, f32::min) / a.iter().map(|x| x * x).sum::<f32>();
    println!(
        "{d} neurons x {n} tokens in 100 features: {:.1} % explained, {} iterations",
        100.0 * explained,
        f.iterations
    );
    println!("each feature is {} of {d} neurons; the words that use it most:\n", Snmf::new(100).sparsity(0.05).kept(d));

    let tokens = Tokens::read()?;
    for (feature, words) in sharpest(&f, &tokens, 12) {
        println!("feature {feature:3}  {}", words.join("  "));
    }
    Ok(())
}

/// The tokens with the sentences that they stand in.
struct Tokens {
    /// The sentence's number and the token, per column of the data.
    tokens: Vec<(usize, String)>,
}

impl Tokens {
    fn read() -> tandem::Result<Self> {
        let path = format!("{DATA}/mlp_tokens.txt");
        let text = std::fs::read_to_string(&path).map_err(|e| tandem::Error::Host(format!("{path}: {e}")))?;
        let tokens = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter_map(|(sentence, token)| Some((sentence.parse().ok()?, token.to_owned())))
            .collect();
        Ok(Self { tokens })
    }

    /// The whole word that a token is part of: `##` marks a continuation.
    fn word(&self, at: usize) -> String {
        let continues = |i: usize| self.tokens.get(i).is_some_and(|(_, token)| token.starts_with("##"));
        let mut start = at;
        while start > 0 && continues(start) {
            start -= 1;
        }
        let mut word = self.tokens.get(start).map_or(String::new(), |(_, token)| token.clone());
        for i in start + 1.. {
            if !continues(i) {
                break;
            }
            word += self.tokens[i].1.trim_start_matches("##");
        }
        word
    }
}

/// The features whose use is concentrated on the fewest tokens, each with the different words that use it most.
fn sharpest(f: &Factorization<f32>, tokens: &Tokens, count: usize) -> Vec<(usize, Vec<String>)> {
    let mut features: Vec<(usize, f32)> =
        f.y.rows()
            .into_iter()
            .map(|row| {
                let mut uses = row.to_vec();
                uses.sort_by(|x, y| y.total_cmp(x));
                // The share of the 30 largest uses: concentrated, but on more than a handful of tokens.
                uses.iter().take(30).sum::<f32>() / uses.iter().sum::<f32>().max(f32::MIN_POSITIVE)
            })
            .enumerate()
            .collect();
    features.sort_by(|x, y| y.1.total_cmp(&x.1));
    let words = |feature: usize| {
        let mut words: Vec<String> = Vec::new();
        for &sample in f.top_index.row(feature) {
            let word = tokens.word(sample as usize);
            if !words.contains(&word) {
                words.push(word);
            }
            if words.len() == 10 {
                break;
            }
        }
        words
    };
    features.into_iter().take(count).map(|(feature, _)| (feature, words(feature))).collect()
}
