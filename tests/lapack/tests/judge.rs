//! Every contestant obeys the laws on the whole gallery, and none disagrees with LAPACK on what has one answer.

use tandem_compile::{DType, HostArray};
use tandem_lapack_judge::{Contestant, FAER, Factorize, LAPACK, NATIVE, PORTABLE, Solve};
use tandem_linalg::laws::{self, THRESHOLD};
use tandem_verify::gallery::{self, Kind};
use tandem_verify::rng::normal;

const CONTESTANTS: [Contestant; 4] = [LAPACK, FAER, PORTABLE, NATIVE];
const SQUARE: [(usize, usize); 4] = [(1, 1), (2, 2), (21, 21), (40, 40)];
const SHAPES: [(usize, usize); 7] = [(1, 1), (1, 5), (5, 1), (21, 21), (40, 40), (33, 12), (12, 33)];

/// Every matrix of some shapes in both precisions, with each contestant that has what `part` wants.
fn each<P: Copy>(
    shapes: &[(usize, usize)],
    wanted: impl Fn(&Kind, &HostArray) -> bool,
    part: impl Fn(&Contestant) -> Option<P>,
    judge: impl Fn(P, &str, &HostArray) -> bool,
) {
    for contestant in &CONTESTANTS {
        let Some(part) = part(contestant) else { continue };
        let (mut judged, mut declined) = (0, 0);
        for &(m, n) in shapes {
            for dtype in [DType::F64, DType::F32] {
                for (kind, a) in gallery::matrices(m, n, dtype).filter(|(kind, a)| wanted(kind, a)) {
                    let what = format!("{}, {} of {dtype}[{m},{n}]", contestant.name, kind.name);
                    if judge(part, &what, &a) { judged += 1 } else { declined += 1 }
                }
            }
        }
        println!("{}: {judged} matrices judged, {declined} declined", contestant.name);
        assert!(judged > 2 * declined, "{} declined {declined}, {judged} were judged", contestant.name);
    }
}

fn holds(ratio: f64, what: &str) -> bool {
    assert!(ratio <= THRESHOLD, "{what}: {ratio:e}");
    true
}

fn right_hand_sides(m: usize, dtype: DType) -> HostArray {
    HostArray::new([m, 3], normal(5, 3 * m)).unwrap().cast(dtype).unwrap()
}

/// The matrix in f64 has a condition at which a solution has digits in the dtype.
fn well_conditioned(a: &HostArray) -> bool {
    let Some([_, s, _]) = LAPACK.svd.and_then(|svd| svd(&a.cast(DType::F64).ok()?)) else { return false };
    let s = s.to_f64();
    s[s.len() - 1] > 100.0 * a.dtype().unit_roundoff() * s.len() as f64 * s[0]
}

/// What may not be declined.
fn done<T>(result: Option<T>, what: &str) -> T {
    result.unwrap_or_else(|| panic!("{what}: declined"))
}

#[test]
fn qr() {
    let judge = |qr: Factorize<2>, what: &str, a: &HostArray| {
        let [q, r] = done(qr(a), what);
        holds(laws::qr(a, &q, &r), what)
    };
    each(&SHAPES, |_, _| true, |c| c.qr, judge);
}

#[test]
fn lu() {
    // Of an exactly singular matrix LAPACK and faer return no factors here.
    let judge = |lu: Factorize<3>, what: &str, a: &HostArray| match lu(a) {
        Some([p, l, u]) => holds(laws::lu(a, &p, &l, &u), what),
        None => {
            // A wide or tall one may have a zero pivot at full rank.
            assert!(a.shape()[0] != a.shape()[1] || !well_conditioned(a), "{what}: declined");
            false
        }
    };
    each(&SHAPES, |_, _| true, |c| c.lu, judge);
}

#[test]
fn cholesky() {
    let judge = |cholesky: Factorize<1>, what: &str, a: &HostArray| {
        let [l] = done(cholesky(a), what);
        holds(laws::cholesky(a, &l), what)
    };
    each(&SQUARE, |kind, _| kind.definite, |c| c.cholesky, judge);
}

#[test]
fn eigh() {
    let judge = |eigh: Factorize<2>, what: &str, a: &HostArray| {
        let ([w, v], [known, _]) = (done(eigh(a), what), done(LAPACK.eigh.and_then(|eigh| eigh(a)), what));
        let n = a.shape()[0] as f64;
        holds(laws::values(&w, &known) / n, what) && holds(laws::eigh(a, &w, &v), what)
    };
    each(&SQUARE, |kind, _| kind.symmetric, |c| c.eigh, judge);
}

#[test]
fn svd() {
    let judge = |svd: Factorize<3>, what: &str, a: &HostArray| {
        let ([u, s, vh], [_, known, _]) = (done(svd(a), what), done(LAPACK.svd.and_then(|svd| svd(a)), what));
        let size = a.shape()[0].max(a.shape()[1]) as f64;
        holds(laws::values(&s, &known) / size, what) && holds(laws::svd(a, &u, &s, &vh), what)
    };
    each(&SHAPES, |_, _| true, |c| c.svd, judge);
}

#[test]
fn solve() {
    let judge = |solve: Solve, what: &str, a: &HostArray| {
        let b = right_hand_sides(a.shape()[0], a.dtype());
        let x = done(solve(a, &b), what);
        holds(laws::solve(a, &x, &b), what)
    };
    each(&SQUARE, |_, a| well_conditioned(a), |c| c.solve, judge);
}

#[test]
fn lstsq() {
    let judge = |lstsq: Solve, what: &str, a: &HostArray| {
        let b = right_hand_sides(a.shape()[0], a.dtype());
        let x = done(lstsq(a, &b), what);
        holds(laws::lstsq(a, &x, &b), what)
    };
    each(&SHAPES, |_, _| true, |c| c.lstsq, judge);
}
