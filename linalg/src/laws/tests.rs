//! The laws on faer's results over the whole gallery, and on wrong ones.

use faer::{Mat, MatRef, Side};
use tandem_compile::{DType, HostArray};
use tandem_verify::gallery::{self, Kind};

use super::*;

const SQUARE: [(usize, usize); 4] = [(0, 0), (1, 1), (7, 7), (33, 33)];
const SHAPES: [(usize, usize); 9] = [(0, 0), (0, 3), (3, 0), (1, 1), (7, 7), (33, 33), (23, 9), (9, 23), (1, 6)];

fn mat(a: &HostArray) -> Mat<f64> {
    let values = a.to_f64();
    let n = a.shape()[1];
    Mat::from_fn(a.shape()[0], n, |i, j| values[i * n + j])
}

fn host(a: MatRef<'_, f64>) -> HostArray {
    let n = a.ncols();
    HostArray::from_fn([a.nrows(), n], |at| a[(at / n, at % n)])
}

fn list(values: impl IntoIterator<Item = f64>) -> HostArray {
    let values: Vec<f64> = values.into_iter().collect();
    HostArray::new([values.len()], values).unwrap()
}

/// Every f64 matrix of some shapes.
fn each(shapes: &[(usize, usize)], mut judge: impl FnMut(&Kind, &HostArray)) {
    for &(m, n) in shapes {
        gallery::matrices(m, n, DType::F64).for_each(|(kind, a)| judge(kind, &a));
    }
}

/// faer's factorizations of matrices of another scale: it does not scale them itself.
fn by_power(a: &HostArray) -> (Mat<f64>, f64) {
    let e = dense::exponent(a).unwrap();
    (dense::scaled(a, e).unwrap(), dense::ldexp(1.0, e))
}

fn holds(ratio: f64, what: &str, kind: &Kind, a: &HostArray) {
    assert!(ratio <= THRESHOLD, "{what} of {} {:?}: {ratio:e}", kind.name, a.shape());
}

/// The last element made wrong by 1e-10 of the largest.
fn spoilt(a: &HostArray) -> HostArray {
    let mut a = a.clone();
    let largest = a.to_f64().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let values = a.values_mut::<f64>().unwrap();
    *values.last_mut().unwrap() += 1e-10 * largest.max(f64::MIN_POSITIVE);
    a
}

fn fails(ratio: f64, what: &str) {
    assert!(ratio > THRESHOLD, "{what}: {ratio:e}");
}

#[test]
fn qr_and_lu_of_the_gallery_hold_and_wrong_ones_do_not() {
    each(&SHAPES, |kind, a| {
        let (scaled, s) = by_power(a);
        if scaled.nrows() * scaled.ncols() == 0 {
            return;
        }
        let f = scaled.qr();
        let (q, r) = (host(f.compute_thin_Q().as_ref()), host((f.thin_R() * s).as_ref()));
        holds(qr(a, &q, &r), "qr", kind, a);
        holds(orthonormal_columns(&q), "q", kind, a);
        if kind.name.starts_with("random") {
            fails(qr(a, &spoilt(&q), &r), "a spoilt Q");
            fails(qr(a, &q, &spoilt(&r)), "a spoilt R");
        }
        let f = scaled.col_piv_qr();
        let (q, r) = (host(f.compute_thin_Q().as_ref()), host((f.thin_R() * s).as_ref()));
        let p = list(f.P().arrays().0.iter().map(|&j| j as f64));
        // faer's pivoted QR of a zero matrix is NaN.
        if r.first_nonfinite().is_none() {
            holds(qr_pivoted(a, &q, &r, &p), "pivoted qr", kind, a);
        }

        let (m, k) = (scaled.nrows(), scaled.nrows().min(scaled.ncols()));
        let f = scaled.partial_piv_lu();
        let order = f.P().arrays().0;
        let p = host(Mat::from_fn(m, m, |i, j| f64::from(u8::from(order[j] == i))).as_ref());
        let l = Mat::from_fn(m, k, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => f.L()[(i, j)],
        });
        let u = Mat::from_fn(k, scaled.ncols(), |i, j| if i <= j { f.U()[(i, j)] * s } else { 0.0 });
        // faer's LU of an exactly singular matrix divides by the zero pivot.
        if l.as_ref().is_all_finite() {
            let (l, u) = (host(l.as_ref()), host(u.as_ref()));
            holds(lu(a, &p, &l, &u), "lu", kind, a);
            fails(lu(a, &spoilt(&p), &l, &u), "no permutation");
            if kind.name.starts_with("random") {
                fails(lu(a, &p, &l, &spoilt(&u)), "a spoilt U");
            }
        }
    });
}

#[test]
fn cholesky_and_ldl_of_the_gallery_hold_and_wrong_ones_do_not() {
    each(&SQUARE[1..], |kind, a| {
        if !kind.symmetric {
            return;
        }
        let n = a.shape()[0];
        let (scaled, s) = by_power(a);
        if kind.definite {
            // s is a power of two, and so is its root where the exponent is even.
            let odd = dense::exponent(a).unwrap() & 1;
            let even = Mat::from_fn(n, n, |i, j| scaled[(i, j)] * f64::from(1 + odd));
            let l = even.llt(Side::Lower).unwrap().L() * (s / f64::from(1 + odd)).sqrt();
            let l = host(Mat::from_fn(n, n, |i, j| if i >= j { l[(i, j)] } else { 0.0 }).as_ref());
            holds(cholesky(a, &l), "cholesky", kind, a);
            if kind.name == "Lehmer" && n > 1 {
                let upper = host(mat(&l).transpose().to_owned().as_ref());
                assert_eq!(cholesky(a, &upper), f64::INFINITY);
            }
            if !kind.name.contains("graded") {
                fails(cholesky(a, &spoilt(&l)), "a spoilt L");
            }
        }
        let f = scaled.lblt(Side::Lower);
        let rows = f.P().arrays().1;
        let l = Mat::from_fn(n, n, |i, j| f.L()[(rows[i], j)]);
        let below = f.B_subdiag();
        let d = Mat::from_fn(n, n, |i, j| {
            s * match i.abs_diff(j) {
                0 => f.B_diag()[i],
                1 => below[i.min(j)],
                _ => 0.0,
            }
        });
        let (l, d) = (host(l.as_ref()), host(d.as_ref()));
        holds(ldl(a, &l, &d), "ldl", kind, a);
        if kind.name.starts_with("symmetric random") {
            fails(ldl(a, &l, &spoilt(&d)), "a spoilt D");
        }
    });
}

#[test]
fn eigenvectors_of_the_gallery_hold_and_wrong_ones_do_not() {
    each(&SQUARE[1..], |kind, a| {
        if !kind.symmetric {
            return;
        }
        let (scaled, s) = by_power(a);
        let f = scaled.self_adjoint_eigen(Side::Lower).unwrap();
        let (w, v) = (list(f.S().column_vector().iter().map(|w| w * s)), host(f.U()));
        holds(eigh(a, &w, &v), "eigh", kind, a);
        if kind.name.starts_with("symmetric random") {
            fails(eigh(a, &w, &spoilt(&v)), "spoilt vectors");
        }
        if kind.name != "symmetric zero" {
            fails(eigh(a, &spoilt(&w), &v), "spoilt values");
        }
        let exact = kind.prescribed(a.shape()[0], a.shape()[0]).map(list);
        if let Some(exact) = exact {
            holds(values(&w, &exact) / 10.0, "eigenvalues", kind, a);
        }
        if w.len() > 1 && w.to_f64()[0] < *w.to_f64().last().unwrap() {
            let reversed = list(w.to_f64().into_iter().rev());
            assert_eq!(eigh(a, &reversed, &v), f64::INFINITY);
        }
    });
}

#[test]
fn svd_polar_and_pinv_of_the_gallery_hold_and_wrong_ones_do_not() {
    each(&SHAPES, |kind, a| {
        let (scaled, s) = by_power(a);
        let (m, n) = (scaled.nrows(), scaled.ncols());
        if m * n == 0 {
            return;
        }
        let f = scaled.thin_svd().unwrap();
        let sigma: Vec<f64> = f.S().column_vector().iter().copied().collect();
        let (u, vh) = (host(f.U()), host(f.V().transpose().to_owned().as_ref()));
        let values = list(sigma.iter().map(|x| x * s));
        holds(svd(a, &u, &values, &vh), "svd", kind, a);
        if kind.name.starts_with("random") {
            fails(svd(a, &spoilt(&u), &values, &vh), "a spoilt U");
            fails(svd(a, &u, &values, &spoilt(&vh)), "a spoilt V'");
        }
        let full = scaled.svd().unwrap();
        let (fu, fvh) = (host(full.U()), host(full.V().transpose().to_owned().as_ref()));
        holds(svd(a, &fu, &values, &fvh), "full svd", kind, a);

        let up = f.U() * f.V().transpose();
        let p = Mat::from_fn(n, n, |i, j| {
            (0..sigma.len()).map(|k| f.V()[(i, k)] * sigma[k] * f.V()[(j, k)]).sum::<f64>() * s
        });
        let (up, p) = (host(up.as_ref()), host(p.as_ref()));
        holds(polar(a, &up, &p), "polar", kind, a);
        if kind.name.starts_with("random") {
            fails(polar(a, &spoilt(&up), &p), "a spoilt polar factor");
        }

        let cut = sigma[0] * m.max(n) as f64 * f64::EPSILON;
        let rank = sigma.iter().filter(|&&x| x > cut).count();
        let inverse = |x: f64| if x > cut { 1.0 / x } else { 0.0 };
        let x = Mat::from_fn(n, m, |i, j| {
            (0..sigma.len()).map(|k| f.V()[(i, k)] * inverse(sigma[k]) * f.U()[(j, k)]).sum::<f64>() / s
        });
        let x = host(x.as_ref());
        holds(pinv(a, &x), "pinv", kind, a);
        if rank > 0 && sigma[0] < 10.0 * sigma[rank - 1] {
            fails(pinv(a, &spoilt(&x)), kind.name);
        }

        // A solution from the pseudoinverse of a matrix of moderate condition is backward stable.
        if rank > 0 && sigma[0] < 1e3 * sigma[rank - 1] {
            let b = Mat::from_fn(m, 2, |i, j| ((i * 7 + j * 3) % 5) as f64 - 1.5);
            let x = mat(&x) * &b;
            let (x, b) = (host(x.as_ref()), host(b.as_ref()));
            holds(lstsq(a, &x, &b), "lstsq", kind, a);
            holds(minimum_norm(a, &x, rank), "minimum norm", kind, a);
            if rank == n && sigma[0] < 10.0 * sigma[rank - 1] {
                fails(lstsq(a, &spoilt(&x), &b), kind.name);
            }
            let null = full.V().subcols(rank, n - rank).to_owned();
            holds(null_space(a, &host(null.as_ref())), "null space", kind, a);
            if rank < n {
                let longer = Mat::from_fn(n, 2, |i, j| mat(&x)[(i, j)] + null[(i, 0)] * mat(&x).norm_max());
                fails(minimum_norm(a, &host(longer.as_ref()), rank), "a longer solution");
            }
        }
    });
}

#[test]
fn solutions_and_inverses_of_the_gallery_hold_and_wrong_ones_do_not() {
    each(&SQUARE[1..], |kind, a| {
        let (scaled, s) = by_power(a);
        let n = scaled.nrows();
        let sigma = scaled.singular_values().unwrap();
        if sigma[n - 1] <= 1e-6 * sigma[0] {
            return;
        }
        use faer::linalg::solvers::{DenseSolveCore, Solve};
        let f = scaled.partial_piv_lu();
        let b = Mat::from_fn(n, 3, |i, j| (i as f64 + 0.5).sin() * 10f64.powi(50 * j as i32));
        let x = f.solve(&b) * (1.0 / s);
        let (x, b) = (host(x.as_ref()), host(b.as_ref()));
        holds(solve(a, &x, &b), "solve", kind, a);
        fails(solve(a, &spoilt(&x), &b), "a spoilt solution");
        let vector = |x: &HostArray| list(mat(x).col(0).iter().copied());
        holds(solve(a, &vector(&x), &vector(&b)), "solve for a vector", kind, a);
        let x = host((f.inverse() * (1.0 / s)).as_ref());
        holds(inv(a, &x), "inv", kind, a);
        if sigma[0] < 1e3 * sigma[n - 1] {
            fails(inv(a, &spoilt(&x)), "a spoilt inverse");
        }
    });
}

#[test]
fn empty_matrices_hold_and_shapes_that_do_not_fit_are_infinitely_wrong() {
    let empty = |m: usize, n: usize| HostArray::new([m, n], Vec::<f64>::new()).unwrap();
    let none = list([]);
    assert_eq!(qr(&empty(0, 3), &empty(0, 0), &empty(0, 3)), 0.0);
    assert_eq!(qr(&empty(3, 0), &empty(3, 0), &empty(0, 0)), 0.0);
    assert_eq!(cholesky(&empty(0, 0), &empty(0, 0)), 0.0);
    assert_eq!(ldl(&empty(0, 0), &empty(0, 0), &none), 0.0);
    assert_eq!(eigh(&empty(0, 0), &none, &empty(0, 0)), 0.0);
    assert_eq!(svd(&empty(3, 0), &empty(3, 0), &none, &empty(0, 0)), 0.0);
    assert_eq!(polar(&empty(3, 0), &empty(3, 0), &empty(0, 0)), 0.0);
    assert_eq!(pinv(&empty(3, 0), &empty(0, 3)), 0.0);
    assert_eq!(solve(&empty(0, 0), &empty(0, 2), &empty(0, 2)), 0.0);
    let identity = |n: usize| HostArray::from_fn([n, n], |at| f64::from(u8::from(at / n == at % n)));
    assert_eq!(lu(&empty(2, 0), &identity(2), &empty(2, 0), &empty(0, 0)), 0.0);
    let b = HostArray::new([0, 2], Vec::<f64>::new()).unwrap();
    assert_eq!(lstsq(&empty(0, 3), &HostArray::from_fn([3, 2], |_| 0.0), &b), 0.0);
    assert_eq!(qr(&identity(3), &identity(2), &identity(3)), f64::INFINITY);
    assert_eq!(solve(&identity(3), &none, &none), f64::INFINITY);
    assert_eq!(eigh(&identity(2), &list([1.0, f64::NAN]), &identity(2)), f64::INFINITY);
    assert_eq!(inv(&identity(2), &HostArray::from_fn([2, 2], |_| f64::INFINITY)), f64::INFINITY);
}

#[test]
fn f32_is_measured_in_its_own_rounding() {
    let a = HostArray::from_fn([9, 9], |i| ((i * i) % 11) as f32 - 4.0);
    let f = mat(&a).qr();
    let narrow = |a: MatRef<'_, f64>| host(a).cast(DType::F32).unwrap();
    let (q, r) = (narrow(f.compute_thin_Q().as_ref()), narrow(f.thin_R()));
    assert!(qr(&a, &q, &r) <= THRESHOLD);
    assert!(qr(&a.cast(DType::F64).unwrap(), &q, &r) > 1e6);
}
