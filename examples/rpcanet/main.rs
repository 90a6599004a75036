//! Small targets in surveillance clips: RPCANet++ and RPCANet, trained here on clips made on the fly, beside principal component
//! pursuit (PCP), on clips that none of them has seen.
//!
//! `cargo run --release --example rpcanet [SEEDS [FOLDER]]`; what it prints stands in `docs/rpcanet.md`. FOLDER (`target/rpcanet`) gets
//! the weights of the first seed's networks and a plot of what their stages make.
//!
//! PCP sees a clip as a whole: its frames, as the rows of a matrix, are a part of low rank and a sparse part S, and a pixel belongs to
//! a target where |S| is above a threshold. Lambda and threshold are those that have the largest IoU on clips for training. The
//! networks see every frame alone; a pixel belongs to a target where T is positive.

mod pcp;
mod plot;
mod train;

use std::path::{Path, PathBuf};
use std::time::Instant;

use tandem::algos::rpca::clips::Clips;
use tandem::algos::rpca::metrics::Counts;
use tandem::algos::rpca::net::{Model, RpcaNet, RpcaNetPlusPlus};
use tandem::prelude::*;

use pcp::Detector;
use train::Learned;

const HEIGHT: usize = 48;
const WIDTH: usize = 64;
/// Frames of a clip that is judged, or that PCP's parameters are chosen on; as `clip.npz` has.
const LENGTH: usize = 100;
const TUNING: usize = 8;
const HELD_OUT: usize = 16;
const STAGES: usize = 3;
const CHANNELS: usize = 8;

/// Clips in host memory: frames `[n, h w]` and masks, clip by clip.
pub struct Judged {
    frames: Vec<HostArray>,
    masks: Vec<Vec<bool>>,
}

impl Judged {
    fn draw(device: &Device, count: usize, seed: u64) -> tandem::Result<Self> {
        let clips = Clips::new(LENGTH, HEIGHT, WIDTH);
        let draw = jit(move |key: Tensor| clips.draw(key, DType::F32)).on(device);
        let keys: HostArray = jit(move |_: ()| random::split(random::key(seed), count)).on(device).call(())?;
        let keys = keys.into_values::<u32>()?;
        let (mut frames, mut masks) = (Vec::new(), Vec::new());
        for key in keys.chunks(2) {
            let key = HostArray::new([2], key.to_vec())?;
            let (seen, mask, _clean): (HostArray, HostArray, HostArray) = draw.call(&key)?;
            frames.push(seen);
            masks.push(mask.to_f64().into_iter().map(|x| x > 0.0).collect());
        }
        Ok(Self { frames, masks })
    }

    /// What the masks that `predict` makes of every clip are worth.
    fn counts(&self, mut predict: impl FnMut(&HostArray) -> tandem::Result<Vec<bool>>) -> tandem::Result<Counts> {
        let mut counts = Counts::default();
        for (frames, masks) in self.frames.iter().zip(&self.masks) {
            counts = counts.and(Counts::of(masks, &predict(frames)?, [LENGTH, HEIGHT, WIDTH]));
        }
        Ok(counts)
    }
}

fn row(seed: u64, name: &str, counts: &Counts, seconds: f64) {
    println!(
        "| {seed} | {name} | {:.2} | {:.2} | {:.2} | {:.1} | {seconds:.0} |",
        100.0 * counts.iou(),
        100.0 * counts.f1(),
        100.0 * counts.detection(),
        1e5 * counts.false_alarm_rate()
    );
}

fn main() -> tandem::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seeds: u64 = words.first().and_then(|word| word.parse().ok()).unwrap_or(1);
    let folder = words.get(1).map_or_else(|| PathBuf::from("target/rpcanet"), PathBuf::from);
    std::fs::create_dir_all(&folder).map_err(|e| tandem::Error::Host(format!("{}: {e}", folder.display())))?;
    let device = Device::default()?;
    println!("| seed | method | IoU, % | F1, % | Pd, % | Fa, 1e-5 | seconds |");
    println!("|---|---|---|---|---|---|---|");
    for seed in 0..seeds {
        let held_out = Judged::draw(&device, HELD_OUT, 3000 + seed)?;
        let begun = Instant::now();
        let pcp = Detector::chosen(&device, &Judged::draw(&device, TUNING, 2000 + seed)?)?;
        let name = format!("PCP, lambda x {}, threshold {} grey levels", pcp.weight, pcp.threshold);
        row(seed, &name, &held_out.counts(pcp.masks(&device))?, begun.elapsed().as_secs_f64());

        let net = RpcaNet::new(STAGES, CHANNELS);
        let plain = Learned::new(&device, &net, Model::Plain(net), seed)?;
        row(seed, "RPCANet", &held_out.counts(plain.masks(&device))?, plain.seconds);

        let net = RpcaNetPlusPlus::new(STAGES, CHANNELS);
        let plus_plus = Learned::new(&device, &net, Model::PlusPlus(net), seed)?;
        row(seed, "RPCANet++", &held_out.counts(plus_plus.masks(&device))?, plus_plus.seconds);
        if seed == 0 {
            plain.write(&folder, "rpcanet")?;
            plus_plus.write(&folder, "rpcanet-plus-plus")?;
            stages(&device, &plus_plus, &held_out, &folder)?;
        }
    }
    Ok(())
}

/// Measures what the stages make of the clips, prints it, and draws it.
fn stages(device: &Device, learned: &Learned, clips: &Judged, folder: &Path) -> tandem::Result<()> {
    let (curves, shares) = learned.stages(device, &clips.frames)?;
    let marked: usize = clips.masks.iter().flatten().filter(|&&mask| mask).count();
    let truth = marked as f64 / clips.masks.iter().map(Vec::len).sum::<usize>() as f64;
    eprintln!("| stage | singular values of the background above 1 % of the largest | T > 0, % |");
    eprintln!("|---|---|---|");
    for (stage, (curve, share)) in curves.iter().zip(&shares).enumerate() {
        let rank = curve.iter().filter(|s| **s > 0.01 * curve[0]).count();
        eprintln!("| {} | {rank} of {} | {:.3} |", stage + 1, curve.len(), 100.0 * share);
    }
    eprintln!("| masks | | {:.3} |", 100.0 * truth);
    let path = folder.join("stages.svg");
    plot::draw(&curves, &shares, truth, &path).map_err(|e| tandem::Error::Host(format!("{}: {e}", path.display())))
}
