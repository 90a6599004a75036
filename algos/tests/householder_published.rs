//! Products of reflections give the numbers that an independent implementation in NumPy gave on inputs that anybody can
//! make again, and the second derivative that PyTorch's issue 196698 is about.

use ndarray::Array2;
use tandem_algos::householder::{Form, HouseholderQ, Layer, householder_q, reference};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, grad, jit, jvp, ones, stack};
use tandem_verify::rng::normal;

const FORMS: [Form; 5] = [Form::Sequential, Form::Accumulated, Form::Compact, Form::Blocked(3), Form::Tree];

fn random(seed: u64, shape: [usize; 2]) -> HostArray {
    HostArray::new(shape, normal(seed, shape[0] * shape[1])).unwrap()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64], error: f64) {
    assert_eq!(found.len(), expected.len());
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).abs() <= error, "{x:?} instead of {y:?}");
    }
}

fn by_reference(v: &HostArray) -> Vec<f64> {
    reference::product::<f64>(&HouseholderQ::new(), v).reals("q")
}

fn determinant(q: &[f64], n: usize) -> f64 {
    faer::MatRef::from_row_major_slice(q, n, n).determinant()
}

/// V = normal(39, [8, 8]).
#[test]
fn eight_reflections_are_the_published_ones() {
    let row = [
        0.2941570893152775,
        -0.2966885592309275,
        0.054575471872393824,
        -0.2495852336848679,
        -0.5305195424891576,
        0.5047382125089594,
        -0.46095200457683033,
        -0.10718132286164811,
    ];
    let v = random(39, [8, 8]);
    let device = Device::cpu().unwrap();
    let all = jit(|v: Tensor| stack(&FORMS.map(|form| form.q(&v, 8)).each_ref(), 0)).on(&device);
    let found: Vec<f64> = all.call(&v).unwrap();
    let mut contestants: Vec<Vec<f64>> = found.chunks(64).map(<[f64]>::to_vec).collect();
    contestants.push(by_reference(&v));
    for q in contestants {
        near(&q[..8], &row, 1e-14);
        near(&[(0..8).map(|i| q[i * 9]).sum::<f64>()], &[-0.187833674064], 1e-12);
        near(&[determinant(&q, 8)], &[1.0], 1e-13);
    }
}

/// V = normal(51, [6, 4]), M = normal(52, [6, 6]), L = sum(Q o M).
#[test]
fn a_gradient_is_the_published_one() {
    let (v, m) = (random(51, [6, 4]), random(52, [6, 6]));
    let device = Device::cpu().unwrap();
    let loss = |form: Form, v: &Tensor, m: &Tensor| (form.q(v, 6) * m).sum();
    let all = jit(|(v, m): (Tensor, Tensor)| {
        let gradient = |form: Form| grad(|v: Tensor| loss(form, &v, &m))(v.clone());
        let losses = FORMS.map(|form| loss(form, &v, &m));
        (stack(&losses.each_ref(), 0), stack(&FORMS.map(gradient).each_ref(), 0))
    })
    .on(&device);
    let (losses, gradients): (Vec<f64>, Vec<f64>) = all.call((&v, &m)).unwrap();
    let mut contestants: Vec<(f64, Vec<f64>)> =
        losses.into_iter().zip(gradients.chunks(24).map(<[f64]>::to_vec)).collect();
    let value = by_reference(&v).iter().zip(m.to_f64()).map(|(q, m)| q * m).sum();
    contestants.push((value, reference::gradient::<f64>(&v, &m)));
    for (value, gradient) in contestants {
        near(&[value], &[-0.112965052515], 1e-12);
        let row = [0.19943104818246712, -0.13126025626870486, 0.16118984274191273, 1.202007328152011];
        near(&gradient[..4], &row, 1e-14);
        near(&[gradient.iter().map(|g| g * g).sum::<f64>().sqrt()], &[3.325550594888], 1e-12);
    }
}

/// U = Q(normal(61, [8, 8])), V = Q(normal(62, [8, 8])), N = 3.
#[test]
fn a_projector_is_the_published_one() {
    let (u, v) = (random(61, [8, 8]), random(62, [8, 8]));
    let device = Device::cpu().unwrap();
    let weight = jit(|(u, v): (Tensor, Tensor)| Layer { s: ones([3], u.dtype()), u, v }.weight()).on(&device);
    let found: Array2<f64> = weight.call((&u, &v)).unwrap();
    let (qu, qv) = (by_reference(&u), by_reference(&v));
    let own = |at: usize| (0..3).map(|l| qu[at / 8 * 8 + l] * qv[at % 8 * 8 + l]).sum::<f64>();
    for a in [found.iter().copied().collect(), (0..64).map(own).collect::<Vec<f64>>()] {
        near(&[a[0]], &[0.024705222501], 1e-12);
        near(&[(0..8).map(|i| a[i * 9]).sum::<f64>()], &[-0.910476496857], 1e-12);
        near(&[a.iter().map(|x| x * x).sum::<f64>()], &[3.0], 1e-13);
    }
}

/// 1 - 2 (1 + t) / (1 + t^2), the sum of the first column of H([1, t]), differentiated twice at 0.7: 1.556251320682393.
/// PyTorch's nested forward mode gives -0.7533368863909331.
#[test]
fn the_second_derivative_that_pytorch_gets_wrong_is_right_in_every_order_of_the_modes() {
    let device = Device::cpu().unwrap();
    let column = |form: Form, t: &Tensor| {
        let one = ones([], t.dtype());
        form.q(&stack(&[&one, t], 0).reshape([2, 1]), 1).sum()
    };
    let slope = |form: Form, t: Tensor| jvp(|t: Tensor| column(form, &t), t.clone(), ones([], t.dtype())).1;
    let all = jit(|t: Tensor| {
        let found = FORMS.map(|form| {
            let one = ones([], DType::F64);
            let forward_forward = jvp(|t: Tensor| slope(form, t), t.clone(), one.clone()).1;
            let reverse_forward = grad(|t: Tensor| slope(form, t))(t.clone());
            let forward_reverse = jvp(|t: Tensor| grad(|t: Tensor| column(form, &t))(t), t.clone(), one).1;
            let reverse_reverse = grad(|t: Tensor| grad(|t: Tensor| column(form, &t))(t))(t.clone());
            stack(&[&forward_forward, &reverse_forward, &forward_reverse, &reverse_reverse], 0)
        });
        (stack(&found.each_ref(), 0), householder_q(&stack(&[&ones([], DType::F64), &t], 0).reshape([2, 1]), 1).sum())
    })
    .on(&device);
    let (found, value): (Vec<f64>, f64) = all.call(0.7).unwrap();
    near(&[value], &[1.0 - 2.0 * 1.7 / 1.49], 1e-15);
    near(&found, &[1.556251320682393; 20], 1e-13);
}
