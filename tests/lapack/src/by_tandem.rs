//! tandem's own factorizations on the CPU plugin, by both lowerings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Jit, Lowering, Tensor, jit};
use tandem_linalg as linalg;

use crate::Contestant;

/// tandem's graphs.
pub const PORTABLE: Contestant = contestant::<false>("tandem, portable");
/// tandem's kernels.
pub const NATIVE: Contestant = contestant::<true>("tandem, native");

const fn contestant<const NATIVE: bool>(name: &'static str) -> Contestant {
    Contestant {
        name,
        qr: Some(qr::<NATIVE>),
        lu: Some(lu::<NATIVE>),
        cholesky: Some(cholesky::<NATIVE>),
        eigh: Some(eigh::<NATIVE>),
        svd: Some(svd::<NATIVE>),
        solve: Some(solve::<NATIVE>),
        lstsq: Some(lstsq::<NATIVE>),
    }
}

type Function = fn(Vec<Tensor>) -> Vec<Tensor>;
type Program = Jit<Function, Vec<Tensor>, Vec<Tensor>>;

/// The compiled programs, by name and lowering: each compiles once per shape, however many matrices there are.
static PROGRAMS: Mutex<BTreeMap<(&str, bool), Arc<Program>>> = Mutex::new(BTreeMap::new());

fn program(name: &'static str, native: bool, f: Function) -> Option<Arc<Program>> {
    let mut programs = PROGRAMS.lock().ok()?;
    if let Some(program) = programs.get(&(name, native)) {
        return Some(Arc::clone(program));
    }
    let lowering = if native { Lowering::Native } else { Lowering::Portable };
    let device = Device::cpu().and_then(|device| device.with_lowering(lowering)).ok()?;
    let program = Arc::new(jit(f).on(&device));
    programs.insert((name, native), Arc::clone(&program));
    Some(program)
}

/// The results of `f`, unless one of them is not finite.
fn run<const NATIVE: bool, const N: usize>(
    name: &'static str,
    inputs: &[&HostArray],
    f: Function,
) -> Option<[HostArray; N]> {
    let program = program(name, NATIVE, f)?;
    let inputs: Vec<HostArray> = inputs.iter().map(|x| (*x).clone()).collect();
    let results: Vec<HostArray> = program.call(&inputs[..]).ok()?;
    let finite = results.iter().all(|x| x.first_nonfinite().is_none());
    finite.then(|| results.try_into().ok()).flatten()
}

fn pair((x, y): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![x, y]
}

fn triple((x, y, z): (Tensor, Tensor, Tensor)) -> Vec<Tensor> {
    vec![x, y, z]
}

fn qr<const NATIVE: bool>(a: &HostArray) -> Option<[HostArray; 2]> {
    run::<NATIVE, 2>("qr", &[a], |x| pair(linalg::qr(&x[0])))
}

fn lu<const NATIVE: bool>(a: &HostArray) -> Option<[HostArray; 3]> {
    run::<NATIVE, 3>("lu", &[a], |x| triple(linalg::lu(&x[0])))
}

fn cholesky<const NATIVE: bool>(a: &HostArray) -> Option<[HostArray; 1]> {
    run::<NATIVE, 1>("cholesky", &[a], |x| vec![linalg::cholesky(&x[0])])
}

fn eigh<const NATIVE: bool>(a: &HostArray) -> Option<[HostArray; 2]> {
    run::<NATIVE, 2>("eigh", &[a], |x| pair(linalg::eigh(&x[0])))
}

fn svd<const NATIVE: bool>(a: &HostArray) -> Option<[HostArray; 3]> {
    run::<NATIVE, 3>("svd", &[a], |x| triple(linalg::svd(&x[0])))
}

fn solve<const NATIVE: bool>(a: &HostArray, b: &HostArray) -> Option<HostArray> {
    run::<NATIVE, 1>("solve", &[a, b], |x| vec![linalg::solve(&x[0], &x[1])]).map(|[x]| x)
}

fn lstsq<const NATIVE: bool>(a: &HostArray, b: &HostArray) -> Option<HostArray> {
    run::<NATIVE, 1>("lstsq", &[a, b], |x| vec![linalg::lstsq(&x[0], &x[1], None)]).map(|[x]| x)
}
