//! Times single runs of principal component pursuit, as another process asks for them: what `bench/rpca.py` sets beside numpy.
//!
//! A line on stdin is `SOLVER N DTYPE`, such as `ialm 500 f32`, for the problem of N x N with rank N / 20 and a twentieth of outliers;
//! the answer is `MILLISECONDS ITERATIONS RANK RESIDUAL` of one run, from arguments on the device to results on the device.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use tandem_algos::rpca::pcp::{Pcp, Solver};
use tandem_compile::pjrt::{Buffer, Device, Executable};
use tandem_compile::{DType, Error, HostArray, Result, Tensor, trace};
use tandem_verify::Matrix;
use tandem_verify::rng::{normal, uniform};

fn main() -> Result<()> {
    let device = Device::cpu()?;
    let mut programs = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::Host(error.to_string()))?;
        if !programs.contains_key(&line) {
            programs.insert(line.clone(), program(&line, &device)?);
        }
        if let Some((executable, argument)) = programs.get(&line) {
            println!("{}", answer(executable, argument)?);
            let _ = io::stdout().flush();
        }
    }
    Ok(())
}

fn program(line: &str, device: &Device) -> Result<(Executable, Buffer)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let wrong = || Error::Host(format!("SOLVER N DTYPE expected, got {line}"));
    let &[solver, n, dtype] = words.as_slice() else { return Err(wrong()) };
    let &(_, solver) = Solver::NAMES.iter().find(|(name, _)| *name == solver).ok_or_else(wrong)?;
    let n: usize = n.parse().map_err(|_| wrong())?;
    let m = problem(n).cast(if dtype == "f64" { DType::F64 } else { DType::F32 })?;
    let pcp = Pcp::new().solver(solver).tol(1e-7);
    let graph = trace(|m: Tensor| pcp.trace(&m, None).into_vec(), &[m.ty()])?;
    Ok((graph.compile(device)?, device.upload(&m)?))
}

fn answer(executable: &Executable, argument: &Buffer) -> Result<String> {
    argument.wait()?;
    let start = Instant::now();
    let results = executable.execute([argument])?;
    results.iter().try_for_each(Buffer::wait)?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    let count = |at: usize| -> Result<i32> { Ok(results[at].to_host()?.values::<i32>()?[0]) };
    let (rank, iterations) = (count(2)?, count(3)?);
    Ok(format!("{time} {iterations} {rank} {}", results[4].to_host()?.to_f64()[0]))
}

/// L of rank N / 20 and a twentieth of elements +-1.
fn problem(n: usize) -> HostArray {
    let (rank, card) = (n / 20, n * n / 20);
    let factor = |seed| Matrix { rows: n, cols: rank, values: normal(seed, n * rank) };
    let mut m = factor(100).dot(&factor(200).t());
    m.values.iter_mut().for_each(|x| *x /= n as f64);
    let chance = uniform(300, n * n);
    let mut order: Vec<usize> = (0..n * n).collect();
    order.sort_by(|&i, &j| chance[i].total_cmp(&chance[j]));
    for (&at, sign) in order[..card].iter().zip(uniform(400, card)) {
        m.values[at] += if sign >= 0.5 { 1.0 } else { -1.0 };
    }
    HostArray::from_fn([n, n], |at| m.values[at])
}
