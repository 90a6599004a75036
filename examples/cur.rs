//! Tokens and neurons that stand for all others: CUR of the MLP activations of a small language model.
//!
//! `cargo run --release --example cur`

use tandem::algos::cur::interpolative::Interpolative;
use tandem::files::FileRef;
use tandem::linalg;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");

fn main() -> tandem::Result<()> {
    // One row per token: 1711 tokens of 160 sentences, 1536 neurons of layer 3.
    let a = FileRef::parse(&format!("{DATA}/mlp_activations.npy"))?.read()?.cast(DType::F32)?;
    let (tokens, neurons) = (a.shape()[0], a.shape()[1]);
    let a = ndarray::Array2::from_shape_vec((tokens, neurons), a.into_values::<f32>()?)
        .map_err(|e| tandem::Error::Host(e.to_string()))?;
    let names = names()?;
    let device = Device::default()?;

    let picked = Cur::new(20).fit(&device, a.view())?;
    println!("{tokens} tokens x {neurons} neurons; the 20 tokens and neurons that DEIM chooses, in its order:\n");
    let words: Vec<&str> = picked.row_index.iter().map(|&i| names[i].as_str()).collect();
    println!("tokens   {}", words.join("  "));
    println!("neurons  {}\n", picked.col_index.iter().map(usize::to_string).collect::<Vec<_>>().join("  "));

    // What no factorization of that rank can do better.
    let spectrum: ndarray::Array1<f32> = jit(|a: Tensor| linalg::svdvals(&a)).on(&device).call(&a)?;
    let squares: Vec<f64> = spectrum.iter().map(|&s| f64::from(s).powi(2)).collect();
    let best = |k: usize| (squares[k..].iter().sum::<f64>() / squares.iter().sum::<f64>()).sqrt();
    println!("relative error (Frobenius) with k tokens and k neurons:");
    println!(
        "{:>4} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
        "k", "SVD", "DEIM", "Q-DEIM", "QR", "leverage", "uniform", "columns*"
    );
    for k in [5, 10, 20, 50, 100] {
        let error =
            |select| Ok::<f32, tandem::Error>(Cur::new(k).select(select).fit(&device, a.view())?.relative_error);
        let columns: f32 = jit(|a: Tensor| Interpolative { k }.trace(&a).relative_error).on(&device).call(&a)?;
        println!(
            "{k:>4} {:>8.4} {:>8.4} {:>8.4} {:>8.4} {:>8.4} {:>8.4} {columns:>9.4}",
            best(k),
            error(Select::Deim)?,
            error(Select::Qdeim)?,
            error(Select::Qr)?,
            error(Select::Leverage)?,
            error(Select::Uniform)?,
        );
    }
    println!("\n* neurons alone, by pivoted QR: the interpolative decomposition");
    Ok(())
}

/// The tokens, each with the one before it.
fn names() -> tandem::Result<Vec<String>> {
    let path = format!("{DATA}/mlp_tokens.txt");
    let text = std::fs::read_to_string(&path).map_err(|e| tandem::Error::Host(format!("{path}: {e}")))?;
    let tokens: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    Ok((0..tokens.len()).map(|i| format!("{}[{}]", if i == 0 { "" } else { tokens[i - 1] }, tokens[i])).collect())
}
