//! What tracing, differentiating and lowering cost per operation: a chain of n operations for growing n.

#![expect(missing_docs, reason = "the macro's function is nobody's interface")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tandem_compile::{DType, Graph, Tensor, TensorType, grad, trace};

/// `n` operations on `f32[8]`.
fn chain(n: usize) -> impl Fn(Tensor) -> Tensor {
    move |x| (0..n / 2).fold(x, |x, _| (&x * &x).sin()).sum()
}

fn traced(f: impl Fn(Tensor) -> Tensor) -> Graph {
    trace(f, &[TensorType::new(DType::F32, [8])]).unwrap_or_else(|e| panic!("{e}"))
}

fn tracing(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracing");
    for n in [100, 1000, 10_000] {
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("trace and lower", n), |b| b.iter(|| traced(chain(n)).stablehlo().len()));
        group.bench_function(BenchmarkId::new("trace the gradient and lower", n), |b| {
            b.iter(|| traced(|x| grad(chain(n))(x).sum()).stablehlo().len());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = tracing
}
criterion_main!(benches);
