//! Takes a surveillance clip apart: a background of low rank under drifting light, and what moves before it.
//!
//! `cargo run --release --example clip [FOLDER [WEIGHTS]]`. FOLDER (`target/clip`) gets
//!
//! - `background.png`, `foreground.png`, `masks.png`: all 100 frames, ten in a row, as principal component pursuit (PCP) has them;
//! - `clip.gif`: frame, background, foreground and mask side by side;
//! - with WEIGHTS, a `.safetensors` file of RPCANet or RPCANet++ (`tandem run rpcanet-train` and the example `rpcanet` write such), the
//!   same as the network has it, as `network-*.png` and `network.gif`.
//!
//! The clip has 100 frames of 48 x 64 pixels, with ground truth: see `examples/data/README.md`.

mod picture;

use std::path::{Path, PathBuf};

use tandem::algos::rpca::metrics::Counts;
use tandem::algos::rpca::net::Model;
use tandem::algos::rpca::pcp::Pcp;
use tandem::files::FileRef;
use tandem::prelude::*;

use picture::{Film, animation};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/clip.npz");
/// A pixel belongs to a target where frame and background differ by more grey levels than this: half of what the targets
/// differ by at least, and more than ten standard deviations of the noise.
const THRESHOLD: f64 = 19.0;

/// The clip, grey levels from 0 to 1 in f64.
struct Clip {
    frames: HostArray,
    masks: Vec<bool>,
    /// The exact part of rank 3, `[n, h w]`.
    clean: Vec<f64>,
}

impl Clip {
    fn read() -> tandem::Result<Self> {
        let part = |name: &str| FileRef::parse(&format!("{DATA}:{name}"))?.read();
        let levels = part("frames")?;
        let values = levels.to_f64();
        let frames = HostArray::from_fn(levels.shape(), |i| values[i] / 255.0);
        let masks = part("masks")?.to_f64().into_iter().map(|x| x > 0.0).collect();
        let (basis, coefficients) = (part("lowrank_basis")?.to_f64(), part("lowrank_coef")?.to_f64());
        let pixels = basis.len() / 3;
        let clean = (0..frames.len()).map(|i| {
            let (frame, pixel) = (i / pixels, i % pixels);
            (0..3).map(|k| coefficients[3 * frame + k] * basis[k * pixels + pixel] / 255.0).sum()
        });
        Ok(Self { masks, clean: clean.collect(), frames })
    }

    fn shape(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.frames.shape()[axis])
    }
}

/// What a method makes of the clip, pixel by pixel.
struct Found {
    background: Vec<f64>,
    masks: Vec<bool>,
}

fn main() -> tandem::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let folder = words.first().map_or_else(|| PathBuf::from("target/clip"), PathBuf::from);
    std::fs::create_dir_all(&folder).map_err(|e| tandem::Error::Host(format!("{}: {e}", folder.display())))?;
    let (device, clip) = (Device::default()?, Clip::read()?);
    let [n, h, w] = clip.shape();
    println!("{n} frames of {h} x {w}, on {}", device.name());
    let found = by_pcp(&device, &clip)?;
    report("PCP", &clip, &found);
    draw(&clip, &found, &folder, "")?;
    if let Some(weights) = words.get(1) {
        let found = by_network(&device, &clip, weights)?;
        report("network", &clip, &found);
        draw(&clip, &found, &folder, "network-")?;
    }
    println!("pictures: {}", folder.display());
    Ok(())
}

/// The frames are the rows of the matrix.
fn by_pcp(device: &Device, clip: &Clip) -> tandem::Result<Found> {
    let separate = jit(|frames: Tensor| {
        let (n, pixels) = (frames.dim(0), frames.dim(1) * frames.dim(2));
        let found = Pcp::new().trace(&frames.reshape([n, pixels]), None);
        (found.l, found.s, found.rank, found.iterations)
    })
    .on(device);
    let (l, s, rank, iterations): (HostArray, HostArray, i32, i32) = separate.call(&clip.frames)?;
    println!("PCP: a background of rank {rank} after {iterations} iterations");
    let masks = s.to_f64().into_iter().map(|x| x.abs() * 255.0 > THRESHOLD).collect();
    Ok(Found { background: l.to_f64(), masks })
}

fn by_network(device: &Device, clip: &Clip, weights: &str) -> tandem::Result<Found> {
    let set = FileRef::parse(weights)?.read_set()?;
    let (model, arrays) = Model::from_state(&set).map_err(|e| tandem::Error::Host(format!("{weights}: {e}")))?;
    let frames = clip.frames.cast(arrays[0].dtype())?;
    let separate = jit(move |(frames, arrays): (Tensor, Vec<Tensor>)| {
        let separated = model.separate(&frames, &arrays);
        (separated.background, separated.mask)
    })
    .on(device);
    let (background, mask): (HostArray, HostArray) = separate.call((&frames, &arrays[..]))?;
    Ok(Found { background: background.to_f64(), masks: mask.to_f64().into_iter().map(|x| x > 0.0).collect() })
}

fn report(name: &str, clip: &Clip, found: &Found) {
    let counts = Counts::of(&clip.masks, &found.masks, clip.shape());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let far =
        norm(&mut found.background.iter().zip(&clip.clean).map(|(b, c)| b - c)) / norm(&mut clip.clean.iter().copied());
    println!(
        "{name}: IoU {:.2} %, F1 {:.2} %, {} of {} targets found, {} false pixels in {}; background off by {:.2e} of the clean part",
        100.0 * counts.iou(),
        100.0 * counts.f1(),
        counts.found,
        counts.targets,
        counts.false_alarms,
        counts.pixels,
        far
    );
}

/// Writes background, foreground and masks, each with the folder and a prefix of its name.
fn draw(clip: &Clip, found: &Found, folder: &Path, prefix: &str) -> tandem::Result<()> {
    let film = |values: Vec<f64>| Film { values, shape: clip.shape() };
    let frames = clip.frames.to_f64();
    let background = film(found.background.clone());
    // Grey where nothing moves.
    let foreground = film(frames.iter().zip(&found.background).map(|(f, b)| 0.5 + (f - b) / 2.0).collect());
    let masks = film(found.masks.iter().map(|&x| f64::from(x)).collect());
    for (name, film) in [("background", &background), ("foreground", &foreground), ("masks", &masks)] {
        film.sheet(10, &folder.join(format!("{prefix}{name}.png")))?;
    }
    let name = if prefix.is_empty() { "clip.gif" } else { "network.gif" };
    animation(&[&film(frames), &background, &foreground, &masks], 2, 2, &folder.join(name))
}
