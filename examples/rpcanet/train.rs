//! A network, trained on clips made on the fly.

use std::path::Path;
use std::time::Instant;

use tandem::algos::rpca::clips::Clips;
use tandem::algos::rpca::net::{Model, Network, Source, StateOf, Trainer, low_rankness, sparsity};
use tandem::files::{Content, write_all};
use tandem::prelude::*;

use super::{HEIGHT, WIDTH};

/// Every epoch: so many clips of so many frames.
const CLIPS: usize = 24;
const LENGTH: usize = 10;
const EPOCHS: usize = 40;

/// What was learned, and how long it took.
pub struct Learned {
    model: Model,
    /// Weights and running moments, the stages stacked.
    arrays: Vec<HostArray>,
    pub seconds: f64,
}

impl Learned {
    /// Trains `net`, which is that of `model`.
    pub fn new<N: Network>(device: &Device, net: &N, model: Model, seed: u64) -> tandem::Result<Self> {
        let begun = Instant::now();
        let trainer = Trainer::new(EPOCHS).batch(8).lr(2e-3).crop(40, 40).seed(seed);
        let source = Source::Drawn { clips: Clips::new(LENGTH, HEIGHT, WIDTH), count: CLIPS, dtype: DType::F32 };
        let start = jit(|_: ()| leaves(&trainer.start(net, DType::F32))).on(device);
        let epoch = jit(|state: Vec<Tensor>| match StateOf::<N>::build(&mut state.iter().cloned()) {
            Some(state) => {
                let (state, loss) = trainer.epoch(net, &source, state);
                [leaves(&state), vec![loss]].concat()
            }
            None => state,
        })
        .on(device);
        let mut state: Vec<Buffer> = start.call(())?;
        for number in 1..=EPOCHS {
            state = epoch.call(&state[..])?;
            if let Some(loss) = state.pop().map(|loss| loss.to_host()).transpose()? {
                let seconds = begun.elapsed().as_secs_f64();
                eprintln!("epoch {number:3}  loss {:.4}  {seconds:.0} s", loss.to_f64()[0]);
            }
        }
        let count = model.names().len();
        let arrays = state.iter().take(count).map(Buffer::to_host).collect::<tandem::Result<_>>()?;
        Ok(Self { model, arrays, seconds: begun.elapsed().as_secs_f64() })
    }

    /// The masks of frames `[n, h, w]`.
    pub fn masks(&self, device: &Device) -> impl Fn(&HostArray) -> tandem::Result<Vec<bool>> + use<> {
        let (model, arrays) = (self.model, self.arrays.clone());
        let separate =
            jit(move |(frames, arrays): (Tensor, Vec<Tensor>)| model.separate(&frames, &arrays).mask).on(device);
        move |frames| {
            let mask: Vec<i32> = separate.call((frames, &arrays[..]))?;
            Ok(mask.into_iter().map(|x| x > 0).collect())
        }
    }

    /// Per stage, over all clips: the singular values of the background, and the share of the pixels that are taken for targets.
    pub fn stages(&self, device: &Device, clips: &[HostArray]) -> tandem::Result<(Vec<Vec<f64>>, Vec<f64>)> {
        let model = self.model;
        let measure = jit(move |(frames, arrays): (Tensor, Vec<Tensor>)| {
            let separated = model.separate(&frames, &arrays);
            (low_rankness(&separated.backgrounds), sparsity(&separated.targets))
        })
        .on(device);
        let (mut curves, mut shares) = (vec![vec![0.0; HEIGHT.min(WIDTH)]; model.stages()], vec![0.0; model.stages()]);
        for frames in clips {
            let (values, share): (HostArray, HostArray) = measure.call((frames, &self.arrays[..]))?;
            let (values, share) = (values.to_f64(), share.to_f64());
            for (stage, curve) in curves.iter_mut().enumerate() {
                let own = values.chunks(curve.len()).nth(stage).unwrap_or_default();
                curve.iter_mut().zip(own).for_each(|(sum, value)| *sum += value / clips.len() as f64);
                shares[stage] += share[stage] / clips.len() as f64;
            }
        }
        Ok((curves, shares))
    }

    /// Writes the weights as `NAME.safetensors`, in the layout of the authors' code.
    pub fn write(&self, folder: &Path, name: &str) -> tandem::Result<()> {
        let content = Content::Tensors(self.model.to_state(&self.arrays));
        write_all(folder, &[(format!("{name}.safetensors"), content)])
    }
}

fn leaves(tree: &impl Tree) -> Vec<Tensor> {
    let mut leaves = Vec::new();
    tree.collect(&mut leaves);
    leaves
}
