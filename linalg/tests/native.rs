//! The native kernels: LAPACK's ratios over the whole gallery, and what they must have in common with the graphs.

use tandem_compile::native::Lowering;
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Jit, Tensor, jit};
use tandem_linalg::{cholesky, eigh, eigvalsh, laws, lu, lu_pivoted, qr, qr_full, svd, svd_full, svdvals};
use tandem_verify::gallery;

/// LAPACK's limit for normalised ratios.
const LIMIT: f64 = 30.0;

type Program = Jit<fn(Tensor) -> Vec<Tensor>, Tensor, Vec<Tensor>>;

fn program(f: fn(Tensor) -> Vec<Tensor>, lowering: Lowering) -> Program {
    let device = Device::cpu().and_then(|device| device.with_lowering(lowering));
    jit(f).on(&device.unwrap_or_else(|error| panic!("{error}")))
}

fn native(f: fn(Tensor) -> Vec<Tensor>) -> Program {
    program(f, Lowering::Native)
}

fn run(program: &Program, a: &HostArray) -> Vec<HostArray> {
    program.call(a).unwrap_or_else(|error| panic!("{error}"))
}

/// Judges what the kernel makes of every matrix of the gallery, f64 and f32, square, tall and wide.
fn judge(f: fn(Tensor) -> Vec<Tensor>, square: bool, law: impl Fn(&HostArray, &[HostArray]) -> Option<f64>) {
    let program = native(f);
    let shapes: &[(usize, usize)] = if square {
        &[(1, 1), (2, 2), (21, 21), (64, 64)]
    } else {
        &[(0, 3), (3, 0), (1, 1), (1, 7), (5, 1), (21, 21), (40, 17), (17, 40)]
    };
    let mut judged = 0;
    for dtype in [DType::F64, DType::F32] {
        for &(m, n) in shapes {
            for (kind, a) in gallery::matrices(m, n, dtype) {
                let Some(ratio) = law(&a, &run(&program, &a)) else { continue };
                assert!(ratio < LIMIT, "{} {dtype} {m} x {n}: {ratio}", kind.name);
                judged += 1;
            }
        }
    }
    assert!(judged > 40, "{judged} judged");
}

fn pair((x, y): (Tensor, Tensor)) -> Vec<Tensor> {
    vec![x, y]
}

fn triple((x, y, z): (Tensor, Tensor, Tensor)) -> Vec<Tensor> {
    vec![x, y, z]
}

fn is_symmetric(a: &HostArray) -> bool {
    let (n, values) = (a.shape()[0], a.to_f64());
    (0..n).all(|i| (0..i).all(|j| values[i * n + j] == values[j * n + i]))
}

#[test]
fn qr_of_the_gallery() {
    judge(|a| pair(qr(&a)), false, |a, found| Some(laws::qr(a, &found[0], &found[1])));
    judge(|a| pair(qr_full(&a)), false, |a, found| Some(laws::qr(a, &found[0], &found[1])));
}

#[test]
fn lu_of_the_gallery() {
    judge(|a| triple(lu(&a)), false, |a, found| Some(laws::lu(a, &found[0], &found[1], &found[2])));
}

#[test]
fn cholesky_of_the_definite() {
    let names: Vec<&str> = gallery::KINDS.iter().filter(|kind| kind.definite).map(|kind| kind.name).collect();
    assert!(names.len() > 5);
    let program = native(|a| vec![cholesky(&a)]);
    for dtype in [DType::F64, DType::F32] {
        for n in [1, 21, 64] {
            for (kind, a) in gallery::matrices(n, n, dtype).filter(|(kind, _)| kind.definite) {
                let ratio = laws::cholesky(&a, &run(&program, &a)[0]);
                assert!(ratio < LIMIT, "{} {dtype} {n}: {ratio}", kind.name);
            }
        }
    }
    let indefinite = HostArray::from_fn([3, 3], |i| [1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0][i]);
    assert!(run(&program, &indefinite)[0].to_f64().iter().all(|x| x.is_nan()));
}

#[test]
fn eigh_of_the_symmetric() {
    judge(|a| pair(eigh(&a)), true, |a, found| is_symmetric(a).then(|| laws::eigh(a, &found[0], &found[1])));
}

#[test]
fn svd_of_the_gallery() {
    judge(|a| triple(svd(&a)), false, |a, found| Some(laws::svd(a, &found[0], &found[1], &found[2])));
    judge(|a| triple(svd_full(&a)), false, |a, found| Some(laws::svd(a, &found[0], &found[1], &found[2])));
}

/// What is unique is the same by both lowerings, of one matrix and of many.
#[test]
fn both_lowerings_agree_on_what_is_unique() {
    let values = |x: Tensor| {
        let symmetric = &x + x.transpose([0, 2, 1]);
        let definite = symmetric.matmul(&symmetric) + tandem_compile::eye(12, x.dtype());
        vec![eigvalsh(&symmetric), svdvals(&x), cholesky(&definite), lu_pivoted(&x).1.convert(x.dtype())]
    };
    let x = HostArray::new([3, 12, 12], tandem_verify::rng::normal(5, 3 * 144)).unwrap_or_else(|e| panic!("{e}"));
    let (portable, native) = (program(values, Lowering::Portable), native(values));
    for (name, (x, y)) in
        ["eigvalsh", "svdvals", "cholesky", "lu"].iter().zip(run(&portable, &x).iter().zip(run(&native, &x)))
    {
        assert_eq!(x.shape(), y.shape());
        for (x, y) in x.to_f64().iter().zip(y.to_f64()) {
            assert!((x - y).abs() < 1e-12 * 100.0, "{name}: {x} and {y}");
        }
    }
}

#[test]
fn bad_numbers_make_their_own_problem_nan_and_no_other() {
    let all = |x: Tensor| {
        [pair(qr(&x)), vec![lu_pivoted(&x).0], pair(eigh(&x)), triple(svd(&x)), vec![cholesky(&x)]].concat()
    };
    for bad in [f64::NAN, f64::INFINITY] {
        let x = HostArray::from_fn([2, 3, 3], |i| match i {
            3 => bad,
            i if i % 9 % 4 == 0 => 2.0,
            _ => 0.5,
        });
        for lowering in [Lowering::Portable, Lowering::Native] {
            for (at, found) in run(&program(all, lowering), &x).iter().enumerate() {
                let values = found.to_f64();
                let (first, second) = values.split_at(values.len() / 2);
                assert!(first.iter().all(|x| x.is_nan()), "{lowering}, result {at}: {first:?}");
                assert!(second.iter().all(|x| x.is_finite()), "{lowering}, result {at}: {second:?}");
            }
        }
    }
}

/// Far from 1, and with no problems at all.
#[test]
fn extremes_and_empty_batches() {
    let program = native(|x| [triple(svd(&x)), pair(eigh(&x)), pair(qr(&x))].concat());
    for scale in [1e150, 1e-150, 1e300, 1e-300] {
        let a = HostArray::from_fn([4, 4], |i| scale * if i % 5 == 0 { 3.0 } else { 0.5 });
        let found = run(&program, &a);
        assert!(laws::svd(&a, &found[0], &found[1], &found[2]) < LIMIT, "svd {scale}");
        assert!(laws::eigh(&a, &found[3], &found[4]) < LIMIT, "eigh {scale}");
        assert!(laws::qr(&a, &found[5], &found[6]) < LIMIT, "qr {scale}");
    }
    let none = run(&program, &HostArray::from_fn([0, 4, 4], |_| 1.0));
    assert_eq!(none[0].shape(), [0, 4, 4]);
}

/// As by the rest of a program on the CPU.
#[test]
fn subnormal_numbers_are_read_as_zeros() {
    let all = native(|x| [triple(svd(&x)), pair(eigh(&x)), pair(qr(&x)), triple(lu(&x))].concat());
    for kind in gallery::SUBNORMAL {
        for a in [DType::F32, DType::F64].into_iter().filter_map(|dtype| kind.array(9, 9, dtype)) {
            assert_eq!(run(&all, &a), run(&all, &a.flushed()), "{}", kind.name);
        }
    }
}
