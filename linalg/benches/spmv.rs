//! Sparse products beside sprs: 10,000 x 10,000 with 100,000 entries, the smallest of 50 runs.

use std::time::Instant;

use ndarray::{Array1, Array2};
use sprs::{CsMat, TriMat};
use tandem_compile::pjrt::{Buffer, Device};
use tandem_compile::{Error, HostArray, Result, Tensor, jit};
use tandem_linalg::sparse::Sparse;
use tandem_verify::rng::{normal, word};

const N: usize = 10_000;
const NNZ: usize = 100_000;

fn smallest(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..50 {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best * 1e3)
}

fn main() -> Result<()> {
    let place = |i: usize| (word(1, i as u64) % N as u64) as usize;
    let (rows, columns) = ((0..NNZ).map(place).collect(), (NNZ..2 * NNZ).map(place).collect());
    let a: CsMat<f64> = TriMat::from_triplets((N, N), rows, columns, normal(2, NNZ)).to_csr();
    let x = Array1::from(normal(3, N));
    let b = Array2::from_shape_vec((N, 16), normal(4, 16 * N)).map_err(|e| Error::Host(e.to_string()))?;

    let device = Device::cpu()?;
    let parts: Vec<HostArray> = jit(|a: Sparse| a).on(&device).call(&a)?;
    let parts: Vec<Buffer> = parts.iter().map(|part| device.upload(part)).collect::<Result<_>>()?;
    let [values, rows, columns, extent] = parts.as_slice() else {
        return Err(Error::Host("a sparse matrix is four arrays".into()));
    };
    for (name, turned) in [("A", false), ("A'", true)] {
        let product = jit(move |(a, x): (Sparse, Tensor)| if turned { a.t().dot(&x) } else { a.dot(&x) }).on(&device);
        for (what, dense) in [
            ("x", device.upload_slice(x.as_slice().unwrap_or_default(), &[N])?),
            ("B", { device.upload_slice(b.as_slice().unwrap_or_default(), &[N, 16])? }),
        ] {
            let time = smallest(|| product.call::<Buffer>((values, rows, columns, extent, &dense))?.wait())?;
            println!("tandem {name} {what}: {time:.3} ms");
        }
    }
    let whole = jit(|(a, x): (Sparse, Tensor)| a.dot(&x)).on(&device);
    let time = smallest(|| whole.call::<Array1<f64>>((&a, &x)).map(drop))?;
    println!("tandem A x from and to the host: {time:.3} ms");
    let time = smallest(|| {
        std::hint::black_box(&a * &x);
        Ok(())
    })?;
    println!("sprs   A x: {time:.3} ms");
    let time = smallest(|| {
        std::hint::black_box(&a * &b);
        Ok(())
    })?;
    println!("sprs   A B: {time:.3} ms");
    Ok(())
}
