//! Either network with its arrays in a row: what files, programs and references deal in.

use tandem_compile::{DType, HostArray, Tensor, TensorType, Tree, refuse};

use super::{Leaf, Network, Output, RpcaNet, RpcaNetPlusPlus, Separated};

/// RPCANet or RPCANet++.
///
/// Its *arrays* are the weights and then the running moments, the stages stacked, in the order of [`Network::names`] and
/// [`Network::moment_names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// RPCANet.
    Plain(RpcaNet),
    /// RPCANet++.
    PlusPlus(RpcaNetPlusPlus),
}

/// The same expression for the network inside.
macro_rules! of {
    ($model:expr, $net:ident => $value:expr) => {
        match $model {
            Model::Plain($net) => $value,
            Model::PlusPlus($net) => $value,
        }
    };
}

impl Model {
    /// Whether it is RPCANet++.
    pub fn is_plus_plus(&self) -> bool {
        matches!(self, Model::PlusPlus(_))
    }

    /// The number of stages.
    pub fn stages(&self) -> usize {
        of!(self, net => net.stages)
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        of!(self, net => net.channels)
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// Which one is out of range, and what the range is.
    pub fn check(&self) -> Result<(), String> {
        of!(self, net => net.check())
    }

    /// What one stage has, learned arrays and then running moments.
    pub fn leaves(&self) -> Vec<Leaf> {
        of!(self, net => [net.weights_of_stage(), net.moments_of_stage()].concat())
    }

    /// Names and shapes of all arrays.
    pub fn names(&self) -> Vec<(String, Vec<usize>)> {
        of!(self, net => [net.names(), net.moment_names()].concat())
    }

    /// Names and shapes of the running moments alone.
    pub fn moment_names(&self) -> Vec<(String, Vec<usize>)> {
        of!(self, net => net.moment_names())
    }

    /// The model whose arrays have these types.
    ///
    /// # Errors
    /// Which array has another type than it should.
    pub fn of_arrays(types: &[TensorType]) -> Result<Self, String> {
        let Some(&[stages, channels, ..]) = types.first().map(|ty| ty.shape.as_slice()) else {
            return Err("the weights of a network expected, got nothing".into());
        };
        let models =
            [Model::Plain(RpcaNet::new(stages, channels)), Model::PlusPlus(RpcaNetPlusPlus::new(stages, channels))];
        let counts = models.map(|model| model.leaves().len());
        let Some(at) = counts.iter().position(|&count| count == types.len()) else {
            let [plain, plus_plus] = counts;
            return Err(format!("{} arrays given; RPCANet has {plain}, RPCANet++ {plus_plus}", types.len()));
        };
        models[at].check()?;
        for ((name, shape), ty) in models[at].names().iter().zip(types) {
            if *shape != ty.shape || ty.dtype != types[0].dtype {
                return Err(format!("{name} is {ty}, expected {}", types[0].with_shape(shape.clone())));
            }
        }
        Ok(models[at])
    }

    /// Traces what the network makes of frames `[n, h, w]`: see [`Separated`].
    #[track_caller]
    pub fn separate(&self, frames: &Tensor, arrays: &[Tensor]) -> Separated {
        of!(self, net => match taken(net, arrays) {
            Some((weights, running)) => net.separate(&weights, &running, frames),
            None => Separated::nothing(&refuse(self.wrong(arrays))),
        })
    }

    /// Traces the network on a batch `[n, 1, h, w]` in training, and the running moments afterwards.
    #[track_caller]
    pub fn train(&self, frames: &Tensor, arrays: &[Tensor]) -> (Output, Vec<Tensor>) {
        of!(self, net => match taken(net, arrays) {
            Some((weights, running)) => {
                let (output, running) = net.train(&weights, &running, frames);
                let mut moments = Vec::new();
                running.collect(&mut moments);
                (output, moments)
            }
            None => (Output::nothing(&refuse(self.wrong(arrays))), Vec::new()),
        })
    }

    fn wrong(&self, arrays: &[Tensor]) -> String {
        format!("{} arrays given, the network has {}", arrays.len(), self.leaves().len())
    }

    /// The arrays out of a set of named ones: a state dictionary of the authors' code (`decos.K.NAME`, an array per stage),
    /// or stacked arrays under their own names. `num_batches_tracked`, which PyTorch counts, is ignored.
    ///
    /// The arrays have the element type of the first one, f32 or f64 (f16 and bf16 become f32).
    ///
    /// # Errors
    /// Which array is missing, unknown or of another shape, in one line.
    pub fn from_state(set: &[(String, HostArray)]) -> Result<(Self, Vec<HostArray>), String> {
        let set: Vec<&(String, HostArray)> =
            set.iter().filter(|(name, _)| !name.ends_with(".num_batches_tracked")).collect();
        let state = State { per_stage: set.iter().any(|(name, _)| name.starts_with("decos.")), set };
        let model = state.model()?;
        let dtype = state.find(&state.called(0, &model.leaves()[0].name)).map(|array| array.dtype());
        let dtype = if dtype == Some(DType::F64) { DType::F64 } else { DType::F32 };
        let arrays: Vec<HostArray> =
            model.leaves().iter().map(|leaf| state.stacked(leaf, model.stages(), dtype)).collect::<Result<_, _>>()?;
        let known = model.leaves().len() * if state.per_stage { model.stages() } else { 1 };
        match state.set.len() == known {
            true => Ok((model, arrays)),
            false => Err(state.unknown(&model)),
        }
    }

    /// The arrays by their names in the authors' code, one for each stage: what [`from_state`](Self::from_state) and
    /// PyTorch read.
    pub fn to_state(&self, arrays: &[HostArray]) -> Vec<(String, HostArray)> {
        let leaves = self.leaves();
        let of_stage = |k: usize| {
            leaves.iter().zip(arrays).map(move |(leaf, array)| {
                let len: usize = leaf.shape.iter().product();
                (format!("decos.{k}.{}", leaf.name), part(array, &leaf.shape, k * len))
            })
        };
        (0..self.stages()).flat_map(of_stage).collect()
    }
}

/// Weights and running moments, where there are as many arrays as both have.
fn taken<N: Network>(net: &N, arrays: &[Tensor]) -> Option<(N::Weights, N::Running)> {
    if arrays.len() != net.weights_of_stage().len() + net.moments_of_stage().len() {
        return None;
    }
    Tree::build(&mut arrays.iter().cloned())
}

/// `shape` elements of an array, from the position `from` on.
fn part(array: &HostArray, shape: &[usize], from: usize) -> HostArray {
    match array.values::<f32>() {
        Ok(values) => HostArray::from_fn(shape, |at| values[from + at]),
        Err(_) => {
            let values = array.to_f64();
            HostArray::from_fn(shape, |at| values[from + at])
        }
    }
}

/// A set of named arrays.
struct State<'a> {
    set: Vec<&'a (String, HostArray)>,
    /// Whether every stage has arrays of its own.
    per_stage: bool,
}

impl State<'_> {
    fn find(&self, name: &str) -> Option<&HostArray> {
        self.set.iter().find(|(known, _)| known == name).map(|(_, array)| array)
    }

    /// What the array of a stage is called.
    fn called(&self, k: usize, name: &str) -> String {
        if self.per_stage { format!("decos.{k}.{name}") } else { name.to_owned() }
    }

    /// The network, from the names and from the first array's shape.
    fn model(&self) -> Result<Model, String> {
        let [plain, plus_plus] = ["lowrank.convs.0.weight", "lowrank.conv1_C.0.weight"];
        let first = |name: &str| self.find(&self.called(0, name)).map(|array| array.shape().to_vec());
        let (shape, is_plus_plus) = match (first(plain), first(plus_plus)) {
            (Some(shape), _) => (shape, false),
            (None, Some(shape)) => (shape, true),
            (None, None) => {
                return Err(format!(
                    "the weights of RPCANet or RPCANet++ expected, with an array {} or {}",
                    self.called(0, plain),
                    self.called(0, plus_plus)
                ));
            }
        };
        let (stages, channels) = match (self.per_stage, shape.as_slice()) {
            (true, &[channels, ..]) => (self.count(), channels),
            (false, &[stages, channels, ..]) => (stages, channels),
            _ => return Err(format!("the first kernel has shape {shape:?}, which is none of a convolution")),
        };
        let model = match is_plus_plus {
            false => Model::Plain(RpcaNet::new(stages, channels)),
            true => Model::PlusPlus(RpcaNetPlusPlus::new(stages, channels)),
        };
        model.check().map(|()| model)
    }

    /// How many stages have a number.
    fn count(&self) -> usize {
        let number = |name: &str| name.strip_prefix("decos.")?.split_once('.')?.0.parse::<usize>().ok();
        self.set.iter().filter_map(|(name, _)| number(name)).max().map_or(0, |last| last.saturating_add(1))
    }

    /// An array of all stages.
    fn stacked(&self, leaf: &Leaf, stages: usize, dtype: DType) -> Result<HostArray, String> {
        let shape = [&[stages], leaf.shape.as_slice()].concat();
        let parts = if self.per_stage { stages } else { 1 };
        let expected = if self.per_stage { &leaf.shape } else { &shape };
        let mut values = Vec::new();
        for k in 0..parts {
            let name = self.called(k, &leaf.name);
            let Some(array) = self.find(&name) else { return Err(format!("the array {name} is missing")) };
            if array.shape() != expected.as_slice() {
                return Err(format!("{name} has shape {:?}, expected {expected:?}", array.shape()));
            }
            if !array.dtype().is_float() {
                return Err(format!("{name} is {}, floating-point numbers expected", array.ty()));
            }
            values.extend(array.to_f64());
        }
        HostArray::new(shape, values).and_then(|array| array.cast(dtype)).map_err(|e| format!("{}: {e}", leaf.name))
    }

    /// What is wrong with a set that has more arrays than the network.
    fn unknown(&self, model: &Model) -> String {
        let leaves = model.leaves();
        let is_known = |name: &str| {
            let stages = if self.per_stage { model.stages() } else { 1 };
            leaves.iter().any(|leaf| (0..stages).any(|k| self.called(k, &leaf.name) == name))
        };
        match self.set.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => format!("the array {name} belongs to no network known here"),
            None => "an array is given twice".into(),
        }
    }
}
