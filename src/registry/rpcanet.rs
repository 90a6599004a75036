//! RPCANet and RPCANet++ at work, as the registry knows them.

use tandem_algos::rpca::net::subject::{SeparateSubject, separated};
use tandem_algos::rpca::net::{Model, RpcaNetPlusPlus};
use tandem_compile::{DType, HostArray, Tensor, TensorType};
use tandem_verify::{Backend, Certificate, Options, check};

use super::{Algorithm, Elements, Example, Input, Output, Parameter, Problem, Settings, arrays, required};

/// `rpcanet`.
pub struct Separate;

impl Algorithm for Separate {
    fn name(&self) -> &'static str {
        "rpcanet"
    }

    fn about(&self) -> &'static str {
        "RPCANet and RPCANet++: frames as backgrounds and small targets, by a trained unrolling of robust PCA"
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input {
                name: "frames",
                shape: "[n, h, w]",
                elements: Elements::Real,
                optional: false,
                about: "grey pictures, in the range of those that the network was trained on",
            },
            Input {
                name: "weights",
                shape: "",
                elements: Elements::Tensors,
                optional: false,
                about: "weights.safetensors of rpcanet-train, or a state dictionary of the authors' code: they say which network",
            },
        ]
    }

    fn outputs(&self) -> &'static [Output] {
        &[
            Output {
                name: "background",
                shape: "[n, h, w]",
                elements: Elements::Real,
                about: "what the frames are without their targets",
            },
            Output {
                name: "mask",
                shape: "[n, h, w]",
                elements: Elements::Index,
                about: "1 where a target is, else 0",
            },
            Output {
                name: "image",
                shape: "[n, h, w]",
                elements: Elements::Real,
                about: "the frames as the network puts them together again",
            },
        ]
    }

    fn unpack(&self, set: &[(String, HostArray)]) -> Result<Vec<(String, HostArray)>, String> {
        let (model, arrays) = Model::from_state(set)?;
        Ok(model.names().into_iter().map(|(name, _)| name).zip(arrays).collect())
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn example(&self) -> Example {
        Example { settings: &[], inputs: &[("frames", &[4, 64, 64])] }
    }

    fn arrays_of_example(&self) -> Vec<Vec<usize>> {
        Model::PlusPlus(RpcaNetPlusPlus::new(3, 8)).names().into_iter().map(|(_, shape)| shape).collect()
    }

    fn problem(&self, _: &Settings, inputs: &[Option<TensorType>]) -> Result<Box<dyn Problem>, String> {
        let frames = required(inputs, 0, "frames")?.clone();
        if frames.ndim() != 3 || frames.shape.contains(&0) {
            let shape = &frames.shape;
            return Err(format!("frames must be [n, h, w] with all sizes at least 1, got shape {shape:?}"));
        }
        let types: Vec<TensorType> = inputs[1..].iter().flatten().cloned().collect();
        let model = Model::of_arrays(&types)?;
        Ok(Box::new(SeparateProblem { model, frames }))
    }

    fn check(&self, backend: Option<&dyn Backend>, options: &Options) -> Certificate {
        check(&SeparateSubject, backend, options)
    }
}

struct SeparateProblem {
    model: Model,
    frames: TensorType,
}

/// Where background, mask, image and status stand among what the network gives.
const OUTPUTS: [usize; 4] = [0, 2, 3, 6];

impl Problem for SeparateProblem {
    fn bytes(&self) -> f64 {
        let names = self.model.names();
        let weights: usize = names.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        // The memory and what goes into and comes out of its gates, or of a convolution; all stages' images.
        let width = if self.model.is_plus_plus() { 8 } else { 2 } * self.model.channels();
        let pixels = self.frames.len() as f64;
        (2.0 * weights as f64 + pixels * (width + 4 * self.model.stages()) as f64) * self.frames.dtype.size() as f64
    }

    fn trace(&self, inputs: &[Option<Tensor>]) -> Vec<Tensor> {
        let inputs: Vec<Tensor> = inputs.iter().flatten().cloned().collect();
        let Some((frames, arrays)) = inputs.split_first() else { return Vec::new() };
        let all = self.model.separate(frames, arrays).into_vec();
        OUTPUTS.map(|at| all[at].clone()).into()
    }

    fn reference(&self, inputs: &[Option<HostArray>]) -> Vec<HostArray> {
        let inputs: Vec<HostArray> = inputs.iter().flatten().cloned().collect();
        let Some((frames, weights)) = inputs.split_first() else { return Vec::new() };
        let all = match frames.dtype() {
            DType::F64 => arrays(separated::<f64>(&self.model, frames, weights), |x| x),
            _ => arrays(separated::<f32>(&self.model, frames, weights), |x| x),
        };
        OUTPUTS.iter().filter_map(|&at| all.get(at).cloned()).collect()
    }
}
