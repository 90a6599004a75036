//! Times single runs of the factorizations, as another process asks for them: what `bench/linalg.py` sets beside JAX.
//!
//! A line on stdin is `OPERATION SHAPE DTYPE LOWERING`, such as `svd 512x512 f64 native`; the answer is the milliseconds of one run
//! from arguments on the device to results on the device, or, the first time, of compiling it: `compile MS`.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use tandem_compile::pjrt::{Buffer, Device, Executable};
use tandem_compile::{DType, HostArray, Lowering, Result, Tensor, TensorType, trace};
use tandem_linalg::{cholesky, eigh, lu, qr, svd};
use tandem_verify::rng::normal;

fn main() -> Result<()> {
    let device = Device::cpu()?;
    let mut programs = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| tandem_compile::Error::Host(error.to_string()))?;
        let answer = match programs.get(&line) {
            None => {
                let start = Instant::now();
                let program = Program::of(&line, &device)?;
                programs.insert(line.clone(), program);
                format!("compile {}", milliseconds(start))
            }
            Some(program) => program.time()?.to_string(),
        };
        println!("{answer}");
        let _ = io::stdout().flush();
    }
    Ok(())
}

struct Program {
    executable: Executable,
    argument: Buffer,
}

impl Program {
    fn of(line: &str, device: &Device) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[operation, shape, dtype, lowering] = words.as_slice() else {
            return Err(tandem_compile::Error::Host(format!("OPERATION SHAPE DTYPE LOWERING expected, got {line}")));
        };
        let shape: Vec<usize> = shape.split('x').filter_map(|size| size.parse().ok()).collect();
        let dtype = if dtype == "f64" { DType::F64 } else { DType::F32 };
        let lowering = if lowering == "native" { Lowering::Native } else { Lowering::Portable };
        let device = device.with_lowering(lowering)?;
        let program = |x: Vec<Tensor>| factors(operation, &x[0]);
        let graph = trace(program, &[TensorType::new(dtype, shape.clone())])?;
        let executable = graph.compile(&device)?;
        let argument = device.upload(&problem(operation, &shape).cast(dtype)?)?;
        Ok(Self { executable, argument })
    }

    fn time(&self) -> Result<f64> {
        self.argument.wait()?;
        let start = Instant::now();
        let results = self.executable.execute([&self.argument])?;
        results.iter().try_for_each(Buffer::wait)?;
        Ok(milliseconds(start))
    }
}

fn factors(operation: &str, a: &Tensor) -> Vec<Tensor> {
    let pair = |(x, y)| vec![x, y];
    let triple = |(x, y, z)| vec![x, y, z];
    match operation {
        "qr" => pair(qr(a)),
        "lu" => triple(lu(a)),
        "cholesky" => vec![cholesky(a)],
        "eigh" => pair(eigh(a)),
        "svd" => triple(svd(a)),
        _ => vec![a.matmul(a)],
    }
}

/// Normal numbers, made symmetric and definite where that is wanted.
fn problem(operation: &str, shape: &[usize]) -> HostArray {
    let x = normal(1, shape.iter().product());
    let n = shape[shape.len() - 1];
    HostArray::from_fn(shape, |at| {
        let (i, j) = (at / n % n, at % n);
        match operation {
            "eigh" => x[i * n + j] + x[j * n + i],
            // Diagonally dominant.
            "cholesky" => (x[i * n + j] + x[j * n + i]) / n as f64 + if i == j { 6.0 } else { 0.0 },
            _ => x[at],
        }
    })
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
