//! Sparse codes of a photograph: its 8 x 8 blocks as few cosine waves each, by the three pursuits, and what that leaves.
//!
//! `cargo run --release --example omp`

use ndarray::{Array2, ArrayView1, s};
use tandem::files::FileRef;
use tandem::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
/// The side of a block.
const SIDE: usize = 8;

fn main() -> tandem::Result<()> {
    // One row per block, in reading order, each less its own mean.
    let patches = FileRef::parse(&format!("{DATA}/patches.npy"))?.read()?.cast(DType::F32)?;
    let count = patches.shape()[0];
    let x = Array2::from_shape_vec((count, SIDE * SIDE), patches.into_values::<f32>()?)
        .map_err(|e| tandem::Error::Host(e.to_string()))?;
    let device = Device::default()?;
    let (complete, overcomplete) = (cosines(SIDE), cosines(2 * SIDE));
    println!("{count} blocks of a photograph, {} numbers each, as k atoms of a dictionary; PSNR in dB\n", SIDE * SIDE);
    println!("   k   {} cosines: omp   {} cosines: mp      gp     omp", complete.nrows(), overcomplete.nrows());
    for k in [1, 2, 4, 8] {
        let basis = decibels(&Pursuit::omp(k).fit(&device, &x, &complete)?.residual_norms);
        let [mp, gp, omp] = [Pursuit::mp(k), Pursuit::gp(k), Pursuit::omp(k)]
            .map(|pursuit| Ok::<_, tandem::Error>(decibels(&pursuit.fit(&device, &x, &overcomplete)?.residual_norms)));
        println!("{k:4} {basis:17.2} {:17.2} {:7.2} {:7.2}", mp?, gp?, omp?);
    }

    // Until a tenth of a block's norm is left: as many atoms as the block needs.
    let f = Pursuit::omp(24).tol(0.1).fit(&device, &x, &overcomplete)?;
    let shares = [(0, 0), (1, 4), (5, 8), (9, 16), (17, 24)].map(|(low, high)| {
        let inside = f.count.iter().filter(|&&count| (low..=high).contains(&count)).count();
        format!("{low}-{high}: {:.1} %", 100.0 * inside as f64 / count as f64)
    });
    println!("\natoms that a block takes until a tenth of its norm is left: {}", shares.join(", "));
    println!("status: {} (a block of the sky is exactly flat where it says DEGENERATE)\n", f.status);

    let block = busiest(&x);
    println!("block {block}, and what 1, 2, 4 and 12 of {} cosines make of it:\n", overcomplete.nrows());
    let mut pictures = vec![x.row(block).to_owned()];
    for k in [1, 2, 4, 12] {
        let one = x.slice(s![block..=block, ..]);
        pictures.push(Pursuit::omp(k).fit(&device, one, &overcomplete)?.codes.dot(&overcomplete).row(0).to_owned());
    }
    for line in 0..SIDE {
        let lines: Vec<String> =
            pictures.iter().map(|picture| shaded(picture.slice(s![line * SIDE..(line + 1) * SIDE]))).collect();
        println!("    {}", lines.join("    "));
    }
    Ok(())
}

/// All products of two of `n` cosine waves of up to half the block's sampling rate: `[n^2, 64]`, norm 1. The basis of the
/// discrete cosine transform where n is the block's side.
fn cosines(n: usize) -> Array2<f32> {
    let wave = |f: usize, i: usize| (std::f64::consts::PI * (i as f64 + 0.5) * f as f64 / n as f64).cos();
    let product = |atom: usize, at: usize| wave(atom / n, at / SIDE) * wave(atom % n, at % SIDE);
    let atoms = Array2::from_shape_fn((n * n, SIDE * SIDE), |(atom, at)| product(atom, at) as f32);
    let norms = atoms.map(|a| a * a).sum_axis(ndarray::Axis(1)).mapv(f32::sqrt);
    atoms / norms.insert_axis(ndarray::Axis(1))
}

/// The peak signal-to-noise ratio for grey levels from 0 to 1.
fn decibels(norms: &Array2<f32>) -> f64 {
    let last = norms.column(norms.ncols() - 1);
    let error = last.iter().map(|&norm| f64::from(norm).powi(2)).sum::<f64>() / (last.len() * SIDE * SIDE) as f64;
    -10.0 * error.log10()
}

/// The block of the largest norm.
fn busiest(x: &Array2<f32>) -> usize {
    let squares = x.map(|x| x * x).sum_axis(ndarray::Axis(1));
    (0..x.nrows()).max_by(|&i, &j| squares[i].total_cmp(&squares[j])).unwrap_or(0)
}

/// A line of pixels, two characters each.
fn shaded(pixels: ArrayView1<'_, f32>) -> String {
    const SHADES: &[u8] = b" .:-=+*#%@";
    let shade = |&pixel: &f32| ((pixel + 0.5) * SHADES.len() as f32).clamp(0.0, SHADES.len() as f32 - 1.0) as usize;
    pixels.iter().flat_map(|pixel| [char::from(SHADES[shade(pixel)]); 2]).collect()
}
