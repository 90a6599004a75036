//! What a call costs beyond its computation: a program of four elements, its argument on the device.

#![expect(missing_docs, reason = "the macro's function is nobody's interface")]

use criterion::{Criterion, criterion_group, criterion_main};
use tandem_compile::pjrt::{Buffer, Device};
use tandem_compile::{HostArray, Tensor, jit};

fn dispatch(c: &mut Criterion) {
    let device = Device::cpu().unwrap_or_else(|e| panic!("{e}"));
    let double = jit(|x: Tensor| &x + &x).on(&device);
    let x = device.upload(&HostArray::new([4], vec![1f32, 2.0, 3.0, 4.0]).unwrap()).unwrap();
    c.bench_function("dispatch of a 4-element program, until its result is there", |b| {
        b.iter(|| {
            let y: Buffer = double.call(&x).unwrap();
            y.wait().unwrap();
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = dispatch
}
criterion_main!(benches);
