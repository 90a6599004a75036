//! Compile and run time of `eigh` on random matrices: `cargo run --release -p tandem-linalg --example eigh_time -- 64 512`.

use std::time::Instant;

use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, jit};
use tandem_linalg::eigh::{eigh, eigvalsh};
use tandem_verify::rng::normal;

fn main() -> tandem_compile::Result<()> {
    let device = Device::cpu()?;
    for n in std::env::args().skip(1).filter_map(|n| n.parse().ok()) {
        for dtype in [DType::F64, DType::F32] {
            let a = HostArray::new([n, n], normal(n as u64, n * n))?.cast(dtype)?;
            time(&format!("eigh     n = {n} {dtype:?}"), &device, &a, |a| eigh(&a))?;
            time(&format!("eigvalsh n = {n} {dtype:?}"), &device, &a, |a| (eigvalsh(&a), a.at_index(0, 0)))?;
        }
    }
    Ok(())
}

/// Prints the time of the first call, which compiles, and the least of several later ones.
fn time(
    name: &str,
    device: &Device,
    a: &HostArray,
    f: impl Fn(Tensor) -> (Tensor, Tensor),
) -> tandem_compile::Result<()> {
    let f = jit(f).on(device);
    let call = || -> tandem_compile::Result<f64> {
        let start = Instant::now();
        let _: (HostArray, HostArray) = f.call(a)?;
        Ok(start.elapsed().as_secs_f64())
    };
    let first = call()?;
    let runs = 7;
    let times = (0..runs).map(|_| call()).collect::<tandem_compile::Result<Vec<f64>>>()?;
    let least = times.into_iter().fold(f64::INFINITY, f64::min);
    println!("{name}: compile {:.2} s, run {:.2} ms (min of {runs})", first - least, least * 1e3);
    Ok(())
}
