//! The algorithms, each at sizes that n sets.

use tandem_algos::cur::{Cur, Select};
use tandem_algos::householder::{Form, HouseholderQ, Projector, householder_q};
use tandem_algos::interaction::subject::program;
use tandem_algos::interaction::{Edges, Lib};
use tandem_algos::pursuit::{Method, Pursuit, Route, Selection};
use tandem_algos::retrieval::Search;
use tandem_algos::rpca::altproj::{AccAltProj, AltProj};
use tandem_algos::rpca::clips::Clips;
use tandem_algos::rpca::corona::{self, Corona};
use tandem_algos::rpca::lrpca::{self, Lrpca};
use tandem_algos::rpca::net::{Model, RpcaNet, RpcaNetPlusPlus, Source, Trainer as NetTrainer, loss};
use tandem_algos::rpca::pcp::{Pcp, Solver};
use tandem_algos::sae::{MpSae, Trainer};
use tandem_algos::snmf::{Init, Snmf};
use tandem_compile::{DType, Graph, Result, Tensor, TensorType, random, trace, value_and_grad};

/// The program of an algorithm.
pub fn graph(name: &str, n: usize, dtype: DType) -> Option<Result<Graph>> {
    let &(_, program) = ALGORITHMS.iter().find(|(known, _)| *known == name)?;
    Some(program(n, dtype))
}

/// The program for a size and a dtype.
type Program = fn(usize, DType) -> Result<Graph>;

/// By name.
pub const ALGORITHMS: &[(&str, Program)] = &[
    ("snmf", |n, dtype| {
        let snmf = Snmf::new(n / 8).sparsity(0.1).init(Init::Kmeans).stop_after(5, 1e-3);
        trace(|a: Tensor| snmf.trace(&a, None).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
    }),
    ("mp", |n, dtype| pursuit(Pursuit::new(Method::Mp, 8).route(Route::Residual), n, dtype)),
    ("omp", |n, dtype| pursuit(Pursuit::new(Method::Omp, 8).route(Route::Gram), n, dtype)),
    ("omp-residual", |n, dtype| pursuit(Pursuit::new(Method::Omp, 8).route(Route::Residual), n, dtype)),
    ("omp-nonnegative", |n, dtype| pursuit(Pursuit::new(Method::Omp, 8).selection(Selection::Relu), n, dtype)),
    ("gp", |n, dtype| pursuit(Pursuit::new(Method::Gp, 8).route(Route::Gram), n, dtype)),
    ("mpsae-step", |n, dtype| {
        let sae = MpSae::new(8 * n, 8);
        let types = [[4 * n, n].to_vec(), [8 * n, n].to_vec(), [n].to_vec()].map(|shape| TensorType::new(dtype, shape));
        trace(|(x, d, b): (Tensor, Tensor, Tensor)| sae.explain(&x, &d, &b).into_vec(), &types)
    }),
    ("mpsae-train", |n, dtype| {
        let (sae, trainer) = (MpSae::new(8 * n, 8), Trainer::new(2).batch(n));
        let train = |x: Tensor| {
            let (trained, loss) = trainer.train(&sae, &x);
            [trained.dictionary, trained.bias, loss, trained.status]
        };
        trace(train, &[TensorType::new(dtype, [4 * n, n])])
    }),
    ("cur-qdeim", |n, dtype| cur(Select::Qdeim, n, dtype)),
    ("cur-lu", |n, dtype| cur(Select::Lu, n, dtype)),
    ("cur-deim", |n, dtype| cur(Select::Deim, n, dtype)),
    ("cur-qr", |n, dtype| cur(Select::Qr, n, dtype)),
    ("cur-maxvol", |n, dtype| cur(Select::Maxvol, n, dtype)),
    ("cur-leverage-sampled", |n, dtype| cur(Select::LeverageSampled, n, dtype)),
    ("householder-q-sequential", |n, dtype| reflections(Form::Sequential, n, dtype)),
    ("householder-q-accumulated", |n, dtype| reflections(Form::Accumulated, n, dtype)),
    ("householder-q-compact", |n, dtype| reflections(Form::Compact, n, dtype)),
    ("householder-q-blocked", |n, dtype| reflections(Form::Blocked(Form::WIDTH), n, dtype)),
    ("householder-q-tree", |n, dtype| reflections(Form::Tree, n, dtype)),
    ("householder-gradient", |n, dtype| {
        let v = TensorType::new(dtype, [4, 2 * n, n]);
        trace(|v: Tensor| value_and_grad(|v: Tensor| householder_q(&v, n).sum())(v), &[v])
    }),
    ("householder-projector", |n, dtype| {
        let projector = Projector::new(n.div_ceil(8));
        trace(|w: Tensor| projector.trace(&w).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
    }),
    ("cur-search", |n, dtype| {
        let search = Search::new(10);
        let indices = TensorType::new(DType::I32, [n / 2]);
        let types = [TensorType::new(dtype, [n, 8 * n]), indices, TensorType::new(dtype, [n, n / 2])];
        trace(|(rows, items, known): (Tensor, Tensor, Tensor)| search.trace(&rows, &items, &known).into_vec(), &types)
    }),
    ("lrpca", |n, dtype| {
        let lrpca = Lrpca::new(n.div_ceil(8));
        trace(|m: Tensor| lrpca.trace(&m).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
    }),
    ("lrpca-train", |n, dtype| {
        let trainer = lrpca::Trainer::new([2 * n, n], n.div_ceil(8), 4).steps(3, 3, 3);
        let stage = lrpca::train::Stage { layers: 4, alone: false, steps: 3 };
        let types = [TensorType::new(dtype, [5]), TensorType::new(dtype, [4]), TensorType::new(DType::I32, [])];
        trace(|(w, taken): (lrpca::Weights, Tensor)| trainer.stage(stage, w, &taken), &types)
    }),
    ("corona-train", |n, dtype| {
        let (network, trainer) = (Corona::new(), corona::Trainer::default());
        let movie = TensorType::new(dtype, [2, 2, n.div_ceil(4), n.div_ceil(4), n.div_ceil(4)]);
        let step = |(d, parts): (Tensor, corona::Parts)| {
            let state = trainer.start(network.start(&random::split(random::key(0), 1).at_index(0, 0), dtype));
            trainer.step(&network, state, &d, &parts)
        };
        trace(step, &[movie.clone(), movie.clone(), movie])
    }),
    ("rpcanet", |n, dtype| {
        let model = Model::PlusPlus(RpcaNetPlusPlus::new(3, n.div_ceil(8).max(4)));
        let frames = TensorType::new(dtype, [4, n, n]);
        let types: Vec<TensorType> = [frames].into_iter().chain(network(&model, dtype)).collect();
        trace(|inputs: Vec<Tensor>| model.separate(&inputs[0], &inputs[1..]).into_vec(), &types)
    }),
    ("rpcanet-gradient", |n, dtype| unfolded(Model::Plain(RpcaNet::new(3, n.div_ceil(8))), n, dtype)),
    ("rpcanet++-gradient", |n, dtype| {
        unfolded(Model::PlusPlus(RpcaNetPlusPlus::new(3, n.div_ceil(8).max(4))), n, dtype)
    }),
    ("rpcanet-train", |n, dtype| {
        // An epoch of two steps on clips made there; the size is that of the frames.
        let net = RpcaNetPlusPlus::new(3, 8);
        let source = Source::Drawn { clips: Clips::new(4, n, n), count: 4, dtype };
        let trainer = NetTrainer::new(1).batch(8);
        let epoch = |_: ()| {
            let (state, loss) = trainer.epoch(&net, &source, trainer.start(&net, dtype));
            (state, loss)
        };
        trace(epoch, &[])
    }),
    ("lib", |n, dtype| interaction(Lib::new(), n, dtype)),
    ("lib-integrated", |n, dtype| interaction(Lib::new().center(false).edges(Edges::GaussLegendre(4)), n, dtype)),
    ("pcp", |n, dtype| pcp(Pcp::new(), n, dtype)),
    ("pcp-admm", |n, dtype| pcp(Pcp::new().solver(Solver::Admm), n, dtype)),
    ("pcp-unrolled", |n, dtype| {
        let net = Pcp::new().unrolled(5);
        let f = |m: Tensor| net.trace(&m, None, &net.classical(&m, None)).l.square().sum();
        trace(|m: Tensor| value_and_grad(f)(m), &[TensorType::new(dtype, [2 * n, n])])
    }),
    ("altproj", |n, dtype| {
        let altproj = AltProj::new(n.div_ceil(8));
        trace(|m: Tensor| altproj.trace(&m).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
    }),
    ("accaltproj", |n, dtype| {
        let accaltproj = AccAltProj::new(n.div_ceil(8)).trim(2.0);
        trace(|m: Tensor| accaltproj.trace(&m).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
    }),
];

/// The types of a network's arrays.
fn network(model: &Model, dtype: DType) -> Vec<TensorType> {
    model.names().into_iter().map(|(_, shape)| TensorType::new(dtype, shape)).collect()
}

/// Loss and gradient of an unfolded network on 4 frames [n, n].
fn unfolded(model: Model, n: usize, dtype: DType) -> Result<Graph> {
    let frames = TensorType::new(dtype, [4, 1, n, n]);
    let types: Vec<TensorType> = [frames.clone(), frames].into_iter().chain(network(&model, dtype)).collect();
    trace(
        |inputs: Vec<Tensor>| {
            let (frames, masks) = (&inputs[0], &inputs[1]);
            let value = |arrays: Vec<Tensor>| loss(&model.train(frames, &arrays).0, frames, masks);
            value_and_grad(value)(inputs[2..].to_vec())
        },
        &types,
    )
}

/// A network n -> n -> n / 2 and 8 n inputs.
fn interaction(lib: Lib, n: usize, dtype: DType) -> Result<Graph> {
    let half = n.div_ceil(2);
    let types =
        [vec![8 * n, n], vec![n, n], vec![n], vec![half, n], vec![half]].map(|shape| TensorType::new(dtype, shape));
    trace(|inputs: Vec<Tensor>| program(&lib, &inputs), &types)
}

/// 4 n signals in n dimensions, by 8 n atoms.
fn pursuit(pursuit: Pursuit, n: usize, dtype: DType) -> Result<Graph> {
    let types = [TensorType::new(dtype, [4 * n, n]), TensorType::new(dtype, [8 * n, n])];
    trace(|(x, d): (Tensor, Tensor)| pursuit.trace(&x, &d).into_vec(), &types)
}

/// n / 8 rows and columns of a matrix [2 n, n].
fn cur(select: Select, n: usize, dtype: DType) -> Result<Graph> {
    let cur = Cur::new(n.div_ceil(8)).select(select);
    trace(|a: Tensor| cur.trace(&a).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
}

/// n reflections in 2 n dimensions, the first n columns.
fn reflections(form: Form, n: usize, dtype: DType) -> Result<Graph> {
    let q = HouseholderQ::new().cols(n).form(form);
    trace(|v: Tensor| q.trace(&v).into_vec(), &[TensorType::new(dtype, [2 * n, n])])
}

/// A matrix [2 n, n], some of it missing.
fn pcp(pcp: Pcp, n: usize, dtype: DType) -> Result<Graph> {
    let types = [TensorType::new(dtype, [2 * n, n]), TensorType::new(dtype, [2 * n, n])];
    trace(|(m, mask): (Tensor, Tensor)| pcp.trace(&m, Some(&mask)).into_vec(), &types)
}
