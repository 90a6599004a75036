//! Least squares, pseudoinverses, ranks and bases: LAPACK's ratios over the gallery with both lowerings, known ranks, batches,
//! empty and bad matrices, derivatives against differences at full and at fixed lower rank.

mod judge;

use judge::{Program, Worst, assert_all_nan, check_derivatives, host, matrix, random};
use tandem_compile::{DType, HostArray, Lowering, Tensor, grad, jit, jvp};
use tandem_linalg::{cond, laws, lstsq, matrix_rank, null_space, orth, pinv};
use tandem_verify::{Matrix, gallery};

const BOTH: [Lowering; 2] = [Lowering::Portable, Lowering::Native];

/// x, the pseudoinverse, the rank, V, U, the condition.
fn all(x: Vec<Tensor>) -> Vec<Tensor> {
    let (a, b) = (&x[0], &x[1]);
    vec![lstsq(a, b, None), pinv(a, None), matrix_rank(a, None), null_space(a, None).0, orth(a, None).0, cond(a)]
}

fn columns(x: &Matrix, from: usize, to: usize) -> Matrix {
    Matrix::from_fn(x.rows, to - from, |i, j| x.at(i, from + j))
}

/// A matrix times a power of two near 1 / max |a|.
fn scaled(a: &Matrix) -> Matrix {
    let size = a.max_abs();
    let scale = if size == 0.0 { 1.0 } else { size.log2().round().exp2() };
    Matrix::from_fn(a.rows, a.cols, |i, j| a.at(i, j) / scale)
}

#[test]
fn problems_of_the_gallery_are_solved() {
    for lowering in BOTH {
        let mut worst = Worst::new();
        let program = Program::lowered(all, lowering);
        for (dtype, m, n) in [(DType::F64, 12, 8), (DType::F64, 8, 12), (DType::F32, 12, 12)] {
            let b = host(&random(3, m, 2), dtype);
            for (kind, a) in gallery::matrices(m, n, dtype) {
                let what = || format!("{} {dtype} {m} x {n}, {lowering:?}", kind.name);
                let found = program.arrays(&[a.clone(), b.clone()]);
                let rank = found[2].to_f64()[0] as usize;
                let size = matrix(&a).max_abs();
                if (1e-30..1e30).contains(&size) || size == 0.0 {
                    worst.check(laws::lstsq(&a, &found[0], &b), what);
                }
                worst.check(laws::minimum_norm(&a, &found[0], rank), what);
                worst.check(laws::pinv(&a, &found[1]), what);
                let null = host(&columns(&matrix(&found[3]), rank, n), dtype);
                worst.check(laws::null_space(&a, &null), what);
                // What A reaches lies in the basis: A' (I - U U') = 0, the null space law of the rest.
                let (u, a) = (columns(&matrix(&found[4]), 0, rank), scaled(&matrix(&a)));
                let rest = a.minus(&u.dot(&u.t().dot(&a)));
                worst.check(judge::ratio(&rest, judge::norm1(&a).max(1e-300), m.max(n), dtype), what);
                worst.check(laws::orthonormal_columns(&found[4]), what);
            }
        }
    }
}

#[test]
fn ranks_and_conditions_are_known() {
    let program = Program::new(|x| vec![matrix_rank(&x[0], None), matrix_rank(&x[0], Some(0.3)), cond(&x[0])]);
    let found =
        |a: &HostArray| -> Vec<f64> { program.arrays(std::slice::from_ref(a)).iter().map(|x| x.to_f64()[0]).collect() };
    let known =
        [("zero", 0.0), ("ones", 1.0), ("rank one", 1.0), ("half of the singular values zero", 4.0), ("random", 8.0)];
    for (name, rank) in known {
        let a = gallery::named(name).unwrap().array(12, 8, DType::F64).unwrap();
        assert_eq!(found(&a)[0], rank, "{name}");
    }
    let diagonal = Matrix::from_fn(12, 8, |i, j| if i == j { (j + 1) as f64 } else { 0.0 });
    let [full, some, c] = found(&host(&diagonal, DType::F64))[..] else { panic!() };
    assert_eq!((full, some), (8.0, 6.0));
    assert!((c - 8.0).abs() < 1e-13);
    assert_eq!(found(&host(&Matrix::from_fn(12, 8, |_, _| 0.0), DType::F64))[2], f64::INFINITY);
}

#[test]
fn a_batch_is_solved_one_by_one_and_bad_problems_are_nan_alone() {
    let names = ["random", "zero", "rank one", "orthogonal"];
    let kinds: Vec<HostArray> =
        names.iter().map(|name| gallery::named(name).unwrap().array(5, 3, DType::F64).unwrap()).collect();
    let mut a: Vec<f64> = kinds.iter().flat_map(HostArray::to_f64).collect();
    a.extend([1.0, f64::NAN].repeat(8).iter().take(15));
    let b = random(4, 25, 1);
    let inputs = [HostArray::new([5, 5, 3], a).unwrap(), HostArray::new([5, 5], b.values.clone()).unwrap()];
    for lowering in BOTH {
        let program = Program::lowered(all, lowering);
        let found = program.arrays(&inputs);
        let shapes: Vec<&[usize]> = found.iter().map(HostArray::shape).collect();
        assert_eq!(shapes, [&[5, 3][..], &[5, 3, 5], &[5], &[5, 3, 3], &[5, 5, 3], &[5]]);
        for (k, one) in kinds.iter().enumerate() {
            let right = HostArray::new([5], b.values[5 * k..5 * k + 5].to_vec()).unwrap();
            let alone = program.arrays(&[one.clone(), right]);
            for at in [0, 1, 2] {
                let (part, alone) = (found[at].to_f64(), alone[at].to_f64());
                let part = &part[k * alone.len()..(k + 1) * alone.len()];
                assert!(part.iter().zip(&alone).all(|(x, y)| (x - y).abs() < 1e-12), "{} {at}", names[k]);
            }
        }
        assert_eq!(found[2].to_f64(), [3.0, 0.0, 1.0, 3.0, -1.0]);
        for x in [0, 1, 3, 4, 5].map(|i| found[i].to_f64()) {
            let last = x.len() - x.len() / 5;
            assert!(x[..x.len() / 5].iter().all(|x| x.is_finite()) && x[last..].iter().all(|x| x.is_nan()));
        }
    }
    let right = HostArray::new([5], vec![1.0, f64::INFINITY, 0.0, 0.0, 0.0]).unwrap();
    let program = Program::new(|x| vec![lstsq(&x[0], &x[1], None)]);
    assert_all_nan(&program.arrays(&[kinds[0].clone(), right]), "right-hand side");
}

#[test]
fn empty_matrices_are_as_in_numpy() {
    let program = Program::new(|x: Vec<Tensor>| {
        let (v, rank) = null_space(&x[0], None);
        let (u, _) = orth(&x[0], None);
        vec![lstsq(&x[0], &x[1], None), pinv(&x[0], None), v, rank, u, matrix_rank(&x[0], None)]
    });
    for (m, n) in [(0, 0), (0, 3), (3, 0)] {
        let array = |shape: &[usize]| HostArray::new(shape.to_vec(), vec![1.0; shape.iter().product()]).unwrap();
        let found = program.arrays(&[array(&[m, n]), array(&[m, 2])]);
        let shapes: Vec<&[usize]> = found.iter().map(HostArray::shape).collect();
        assert_eq!(shapes, [&[n, 2][..], &[n, m], &[n, n], &[], &[m, 0], &[]]);
        assert!(found[0].to_f64().iter().all(|&x| x == 0.0));
        assert_eq!((found[3].to_f64(), found[5].to_f64()), (vec![0.0], vec![0.0]));
    }
    let lowered = jit(|a: Tensor| cond(&a)).lower(&HostArray::new([0, 3], Vec::<f64>::new()).unwrap());
    assert!(lowered.err().unwrap().to_string().contains("it has no condition"));
}

#[test]
fn derivatives_are_those_of_differences() {
    let f = |x: Vec<Tensor>| vec![lstsq(&x[0], &x[1], None), pinv(&x[0], None)];
    for (m, n) in [(5, 3), (3, 5), (4, 4)] {
        check_derivatives(f, &[random(1, m, n), random(2, m, 2)], false, 1e-6);
    }
    check_derivatives(|x| vec![cond(&x[0])], &[random(1, 5, 3)], false, 1e-6);
    // Of rank two, and of rank two when moved: products of two thin matrices.
    let thin = |x: Vec<Tensor>| {
        let a = x[0].dot(&x[1]);
        vec![lstsq(&a, &x[2], Some(1e-6)), pinv(&a, Some(1e-6))]
    };
    check_derivatives(thin, &[random(1, 5, 2), random(2, 2, 4), random(3, 5, 2)], false, 1e-5);
}

/// Where all singular values are equal, first and second derivatives exist all the same: d^2 A^-1 = 2 dA dA at A = 1.
#[test]
fn equal_singular_values_do_no_harm() {
    let second = Program::new(|x: Vec<Tensor>| {
        let first = |a: Tensor| jvp(|a: Tensor| pinv(&a, None), a, x[1].clone()).1;
        let steepest = |a: Tensor| grad(|a: Tensor| lstsq(&a, &x[1], None).sum())(a);
        vec![first(x[0].clone()), jvp(first, x[0].clone(), x[1].clone()).1, jvp(steepest, x[0].clone(), x[1].clone()).1]
    });
    let (identity, move_) = (judge::identity(4), random(5, 4, 4));
    let found = second.run(&[host(&identity, DType::F64), host(&move_, DType::F64)]);
    let twice = |m: &Matrix, by: f64| Matrix::from_fn(m.rows, m.cols, |i, j| by * m.at(i, j));
    assert!(found[0].minus(&twice(&move_, -1.0)).max_abs() < 1e-14);
    assert!(found[1].minus(&twice(&move_.dot(&move_), 2.0)).max_abs() < 1e-13);
    // f = 1'A^-1 B 1, whose gradient is -A^-T 1 (A^-1 B 1)', B constant: its move by B is B' 1 (B 1)' + 1 (B B 1)'.
    let one = Matrix::from_fn(4, 1, |_, _| 1.0);
    let (b1, bb1) = (move_.dot(&one), move_.dot(&move_.dot(&one)));
    let expected = move_.t().dot(&one).dot(&b1.t()).minus(&twice(&one.dot(&bb1.t()), -1.0));
    assert!(found[2].minus(&expected).max_abs() < 1e-13);
}
