//! Programs to be measured: `reflections gradient|forward|sequential D K BATCH` prints as StableHLO, for V `[BATCH, D,
//! K]` and M of the same shape in f32,
//!
//! - gradient: sum(Q(V)[:, :K] o M) and its gradient by V;
//! - forward: Q(V)[:, :K], by the cheapest form (M is not read);
//! - sequential: as gradient, by one loop over the reflections forward and one backward.

use tandem_algos::householder::{Form, householder_q};
use tandem_compile::{
    DType, Error, Result, Tensor, TensorType, custom_vjp, fori_loop, iota, scalar, trace, value_and_grad, vmap, zeros,
};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = || Error::Host("reflections gradient|forward|sequential D K BATCH".into());
    let [what, sizes @ ..] = words.as_slice() else { return Err(usage()) };
    let sizes: Vec<usize> = sizes.iter().filter_map(|word| word.parse().ok()).collect();
    let [d, k, batch] = *sizes.as_slice() else { return Err(usage()) };
    let types = [(); 2].map(|()| TensorType::new(DType::F32, [batch, d, k]));
    let graph = match what.as_str() {
        "gradient" => trace(|(v, m): (Tensor, Tensor)| differentiated(|v| householder_q(&v, k), v, &m), &types),
        "sequential" => trace(|(v, m): (Tensor, Tensor)| differentiated(vmap(one_by_one), v, &m), &types),
        "forward" => trace(|(v, _): (Tensor, Tensor)| Form::cheapest(d, k, k).q(&v, k), &types),
        _ => return Err(usage()),
    };
    print!("{}", graph?.stablehlo());
    Ok(())
}

fn differentiated(q: impl Fn(Tensor) -> Tensor, v: Tensor, m: &Tensor) -> (Tensor, Tensor) {
    value_and_grad(|v: Tensor| (q(v) * m).sum())(v)
}

/// One reflection after the other, forward; backward the rule for one reflection, H(v) X with G the gradient by it:
/// -(2 / v'v) [G X'v + X G'v] + (4 / (v'v)^2) (v'X G'v) v, where X is found by reflecting once more.
fn one_by_one(v: Tensor) -> Tensor {
    let q = |v: Tensor| {
        let (d, k) = (v.dim(0), v.dim(1));
        let identity = iota([d, k], 0, DType::I32).eq(iota([d, k], 1, DType::I32)).convert(v.dtype());
        let (vt, factors) = rows(&v);
        fori_loop(0, k as i32, identity, |done, x| reflected(&vt, &factors, &(scalar(k as i32 - 1) - done), &x))
    };
    let backward = |(v, y): (Tensor, Tensor), g: Tensor| {
        let (d, k) = (v.dim(0), v.dim(1));
        let (vt, factors) = rows(&v);
        let start = (y, g, zeros([k, d], v.dtype()));
        let (.., gradient) = fori_loop(0, k as i32, start, |j, (x, g, found)| {
            let x = reflected(&vt, &factors, &j, &x);
            let (vector, factor) = (vt.index(0, &j), factors.index(0, &j));
            let (along_x, along_g) = (vector.dot(&x), vector.dot(&g));
            let own = &vector * along_x.dot(&along_g) * &factor;
            let row = (own - g.dot(&along_x) - x.dot(&along_g)) * factor;
            let found = found.dynamic_update_slice(&row.reshape([1, d]), &[&j, &scalar(0i32)]);
            (x, reflected(&vt, &factors, &j, &g), found)
        });
        gradient.t()
    };
    custom_vjp(
        q,
        move |v: Tensor| {
            let y = q(v.clone());
            (y.clone(), (v, y))
        },
        backward,
    )(v)
}

/// V' and 2 / |v_j|^2.
fn rows(v: &Tensor) -> (Tensor, Tensor) {
    let vt = v.t();
    let factors = 2.0 / vt.square().sum_axes([1]);
    (vt, factors)
}

fn reflected(vt: &Tensor, factors: &Tensor, j: &Tensor, x: &Tensor) -> Tensor {
    let vector = vt.index(0, j);
    x - (&vector * factors.index(0, j)).outer(&vector.dot(x))
}
