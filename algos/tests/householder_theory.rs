//! What theory says of products of reflections: their forms, derivatives, memory, and that training keeps them
//! orthogonal.

use ndarray::{Array1, Array2, Array3, Array4, s};
use proptest::prelude::*;
use tandem_algos::householder::{Form, Layer, Projector, householder_apply, householder_q};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Tensor, TensorType, fori_loop, grad, jit, jvp, number, scalar, stack, trace, vjp};
use tandem_verify::rng::normal;

const FORMS: [Form; 5] = [Form::Sequential, Form::Accumulated, Form::Compact, Form::Blocked(5), Form::Tree];

fn random(seed: u64, rows: usize, cols: usize) -> Array2<f64> {
    Array2::from_shape_vec((rows, cols), normal(seed, rows * cols)).unwrap()
}

fn largest<'a>(x: impl IntoIterator<Item = &'a f64>) -> f64 {
    x.into_iter().fold(0.0, |m, x| f64::max(m, x.abs()))
}

fn device() -> Device {
    Device::cpu().unwrap()
}

/// All forms of Q X and Q'X, and the thin Q, stacked along a first axis.
fn all_forms(v: &Tensor, x: &Tensor, cols: usize) -> (Tensor, Tensor, Tensor) {
    let stacked = |of: &dyn Fn(Form) -> Tensor| stack(&FORMS.map(of).each_ref(), 0);
    let apply = |transpose: bool| stacked(&|form: Form| form.apply(v, x, transpose));
    (apply(false), apply(true), stacked(&|form: Form| form.q(v, cols)))
}

#[test]
fn forms_agree_also_for_batches_and_undo_each_other() {
    let run = jit(|(v, x): (Tensor, Tensor)| {
        let (forth, back, q) = all_forms(&v, &x, 17);
        let undone = householder_apply(&v, &householder_apply(&v, &x, false), true);
        (forth, back, q, undone)
    })
    .on(&device());
    for (d, k, r, seed) in [(17, 17, 4, 1), (40, 70, 3, 2)] {
        let v = Array3::from_shape_vec((2, d, k), normal(seed, 2 * d * k)).unwrap();
        let x = Array3::from_shape_vec((2, d, r), normal(seed + 10, 2 * d * r)).unwrap();
        let (forth, back, q, undone): (Array4<f64>, Array4<f64>, Array4<f64>, Array3<f64>) =
            run.call((&v, &x)).unwrap();
        let slack = 50.0 * f64::EPSILON * (k as f64).sqrt();
        for (name, all) in [("Q X", &forth), ("Q'X", &back), ("Q", &q)] {
            for form in 1..5 {
                let gap = &all.slice(s![form, .., .., ..]) - &all.slice(s![0, .., .., ..]);
                assert!(largest(&gap) < slack, "{name} by form {form}: {:e}", largest(&gap));
            }
        }
        assert!(largest(&(&undone - &x)) < slack);
        // The norm of every column is kept.
        for problem in 0..2 {
            let (a, b) = (forth.slice(s![2, problem, .., ..]), x.slice(s![problem, .., ..]));
            let norms = |x: ndarray::ArrayView2<f64>| x.mapv(|x| x * x).sum_axis(ndarray::Axis(0));
            assert!(largest(&(norms(a) / norms(b) - 1.0)) < slack);
        }
        // The thin Q is Q times the first columns of the identity, and orthonormal.
        let thin: ndarray::ArrayView2<f64> = q.slice(s![2, 0, .., ..]);
        assert!(largest(&(thin.t().dot(&thin) - Array2::<f64>::eye(17))) < slack);
    }
}

#[test]
fn one_reflection_mirrors_its_vector_and_keeps_what_is_perpendicular() {
    let run = jit(|(v, x): (Tensor, Tensor)| {
        let once = householder_apply(&v, &x, false);
        (householder_apply(&v, &v, false), householder_apply(&v, &once, false), once)
    })
    .on(&device());
    for seed in 0..20 {
        let (v, mut x) = (random(seed, 9, 1), random(seed + 100, 9, 1));
        let along = (&x * &v).sum() / (&v * &v).sum();
        x = &x - &v * along;
        let (mirrored, twice, once): (Array2<f64>, Array2<f64>, Array2<f64>) = run.call((&v, &x)).unwrap();
        let u = 4.0 * f64::EPSILON;
        assert!(largest(&(&mirrored + &v)) <= u * largest(&v));
        assert!(largest(&(&twice - &x)) <= u * largest(&x));
        assert!(largest(&(&once - &x)) <= u * largest(&x));
    }
}

#[test]
fn orthonormal_vectors_reflect_in_any_order() {
    let run = jit(|(v, w): (Tensor, Tensor)| {
        let orthonormal = householder_q(&v, 4);
        (householder_q(&orthonormal, 9), householder_q(&orthonormal.dot(&w), 9), orthonormal)
    })
    .on(&device());
    // The columns exchanged, and scaled.
    let exchange = Array2::from_shape_fn((4, 4), |(i, j)| if (i + 1) % 4 == j { 2.0 + j as f64 } else { 0.0 });
    for seed in 0..10 {
        let (q, other, v): (Array2<f64>, Array2<f64>, Array2<f64>) =
            run.call((&random(seed, 9, 6), &exchange)).unwrap();
        let expected = Array2::<f64>::eye(9) - v.dot(&v.t()) * 2.0;
        assert!(largest(&(&q - &expected)) < 2e-15 && largest(&(&other - &expected)) < 2e-15);
    }
}

/// sum(Q(V) X o M) + sum(Q(V)' X o M) + sum(Q(V)[:, :3] o T).
fn loss(form: Form, (v, x): (Tensor, Tensor), m: &Tensor, t: &Tensor) -> Tensor {
    let forth = (form.apply(&v, &x, false) * m).sum();
    let back = (form.apply(&v, &x, true).square() * m).sum();
    forth + back + (form.q(&v, 3) * t).sum()
}

#[test]
fn derivatives_of_all_forms_are_those_of_differences() {
    derivatives_are_those_of_differences(&FORMS, 7, 6, 4);
}

/// More than 64 reflections are undone by halves.
#[test]
fn derivatives_of_many_reflections_are_those_of_differences() {
    derivatives_are_those_of_differences(&[Form::Compact], 9, 70, 2);
}

fn derivatives_are_those_of_differences(forms: &'static [Form], d: usize, k: usize, seeds: u64) {
    const H: f64 = 1e-5;
    let run = jit(|(v, x, dv, dx, m, t): (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)| {
        let found: Vec<Tensor> = forms
            .iter()
            .map(|&form| {
                let f = |(v, x): (Tensor, Tensor)| loss(form, (v, x), &m, &t);
                let slope = |at: (Tensor, Tensor)| jvp(f, at, (dv.clone(), dx.clone())).1;
                let along = |(gv, gx): (Tensor, Tensor)| (gv * &dv).sum() + (gx * &dx).sum();
                let at = |h: f64| (&v + &dv * h, &x + &dx * h);
                let here = at(0.0);
                let first = slope(here.clone());
                let reverse = along(grad(f)(here.clone()));
                let second = jvp(slope, here.clone(), (dv.clone(), dx.clone())).1;
                let mixed = along(grad(slope)(here.clone()));
                let other = jvp(|at| along(grad(f)(at)), here.clone(), (dv.clone(), dx.clone())).1;
                let difference = (f(at(H)) - f(at(-H))) / (2.0 * H);
                let curvature = (slope(at(H)) - slope(at(-H))) / (2.0 * H);
                stack(&[&first, &reverse, &difference, &second, &mixed, &other, &curvature], 0)
            })
            .collect();
        stack(&found.iter().collect::<Vec<_>>(), 0)
    })
    .on(&device());
    for seed in 0..seeds {
        let of = |at: u64, rows, cols| random(10 * seed + at, rows, cols);
        let (v, dv) = (of(1, d, k), of(2, d, k));
        let found: Array2<f64> = run.call((&v, &of(3, d, 2), &dv, &of(4, d, 2), &of(5, d, 2), &of(6, d, 3))).unwrap();
        for (form, row) in forms.iter().zip(found.rows()) {
            let [first, reverse, difference, second, mixed, other, curvature] = [0, 1, 2, 3, 4, 5, 6].map(|i| row[i]);
            let close = |a: f64, b: f64, error: f64| (a - b).abs() <= error * (1.0 + b.abs());
            assert!(close(first, reverse, 1e-12), "{form:?}: {row}");
            assert!(close(first, difference, 1e-7), "{form:?}: {row}");
            assert!(close(second, mixed, 1e-11) && close(second, other, 1e-11), "{form:?}: {row}");
            assert!(close(second, curvature, 1e-6), "{form:?}: {row}");
        }
        // And they are all the same.
        assert!(largest(&(&found.slice(s![.., 3]) - found[[0, 3]])) < 1e-10 * (1.0 + found[[0, 3]].abs()));
    }
}

#[test]
fn gradients_are_perpendicular_to_their_vectors_and_zero_where_those_are() {
    let run = jit(|(v, m): (Tensor, Tensor)| grad(|v: Tensor| (householder_q(&v, 5) * &m).sum())(v)).on(&device());
    for seed in 0..10 {
        let mut v = random(seed, 8, 6);
        v.column_mut(2).fill(0.0);
        let g: Array2<f64> = run.call((&v, &random(seed + 50, 8, 5))).unwrap();
        assert!(largest(g.column(2)) == 0.0 && g.iter().all(|g| g.is_finite()));
        let norm = |x: &Array2<f64>| x.mapv(|x| x * x).sum().sqrt();
        for (v, g) in v.columns().into_iter().zip(g.columns()) {
            assert!(v.dot(&g).abs() < 1e-12 * norm(&v.to_owned().insert_axis(ndarray::Axis(1))).max(1.0));
        }
        assert!(norm(&g) > 0.1);
    }
}

/// Five hundred plain gradient steps: orthonormal to rounding after them, without having been projected back, and no
/// vector has become shorter.
#[test]
fn training_keeps_orthogonality_and_lengthens_the_vectors() {
    let train = jit(|(v, m): (Tensor, Tensor)| {
        let step = |_: Tensor, (v, least): (Tensor, Tensor)| {
            let g = grad(|v: Tensor| (householder_q(&v, 4) - &m).square().sum())(v.clone());
            let next = &v - g * 0.05;
            let grown = next.square().sum_axes([0]) / v.square().sum_axes([0]);
            (next, least.minimum(grown.min()))
        };
        let (last, least) = fori_loop(0, 500, (v.clone(), number(1e9, DType::F64)), step);
        let distance = |v: &Tensor| (householder_q(v, 4) - &m).square().sum();
        (householder_q(&last, 4), least, distance(&v), distance(&last))
    })
    .on(&device());
    let (q, least, before, after): (Array2<f64>, f64, f64, f64) =
        train.call((&random(1, 9, 4), &random(2, 9, 4))).unwrap();
    assert!(largest(&(q.t().dot(&q) - Array2::<f64>::eye(4))) < 1e-14);
    assert!(least >= 1.0 - 4.0 * f64::EPSILON, "{least:?}");
    assert!(after < before - 1.0, "{before} {after}");
}

/// The elements of the largest array in the program's text.
fn largest_array(text: &str) -> usize {
    let sizes = text.split("tensor<").skip(1).filter_map(|rest| {
        let ty = rest.split('>').next()?;
        let sizes: Vec<&str> = ty.split('x').collect();
        sizes[..sizes.len() - 1].iter().map(|size| size.parse::<usize>().ok()).product::<Option<usize>>()
    });
    sizes.max().unwrap_or(0)
}

/// Value and gradient together hold nothing larger than V, X and S, where a loop that is differentiated holds X for
/// every trip.
#[test]
fn memory_of_the_gradient_is_that_of_the_vectors() {
    let (d, k, r) = (96, 64, 50);
    let types = [[d, k], [d, r]].map(|shape| TensorType::new(DType::F32, shape));
    let size = |f: &dyn Fn((Tensor, Tensor)) -> Tensor| {
        let graph = trace(|at: (Tensor, Tensor)| grad(|at| f(at).square().sum())(at), &types).unwrap();
        largest_array(&graph.without_dead_code().stablehlo())
    };
    for form in FORMS {
        // Blocks of five are filled up with zeros.
        assert!(size(&|(v, x)| form.apply(&v, &x, false)) <= d * (k + 5), "{form:?}");
        assert!(size(&|(v, _)| form.q(&v, r)) <= d * (k + 5), "{form:?}");
    }
    let naive = |(v, x): (Tensor, Tensor)| {
        let vt = v.t();
        fori_loop(0, k as i32, x, |done, x| {
            let v = vt.index(0, &(scalar(k as i32 - 1) - done));
            &x - (&v * (2.0 / v.square().sum())).outer(&v.dot(&x))
        })
    };
    assert!(size(&naive) >= d * k * r);
}

#[test]
fn a_layer_is_its_weight_and_moves_along_equally_strong_directions() {
    let run = jit(|x: Tensor| {
        let layer = Layer::random((3, 4), [11, 7], 3, DType::F64);
        let layer =
            Layer { s: Tensor::clone(&layer.s) * stack(&[&scalar(1.0), &scalar(-1.0), &scalar(1.0)], 0), ..layer };
        let moved = layer.traverse(&x, &scalar(1i32), &scalar(2.0));
        (layer.weight(), layer.forward(&x), layer.forward(&moved), layer.directions())
    })
    .on(&device());
    let x = random(5, 6, 7);
    let (w, y, moved, directions): (Array2<f64>, Array2<f64>, Array2<f64>, Array2<f64>) = run.call(&x).unwrap();
    assert!(largest(&(x.dot(&w.t()) - &y)) < 1e-14);
    assert!(largest(&(directions.dot(&directions.t()) - Array2::<f64>::eye(3))) < 1e-14);
    assert!(largest(&(w.t().dot(&w) - directions.t().dot(&directions))) < 1e-14);
    // A step of length 2 along a direction moves the output by 2.
    for row in (&moved - &y).rows() {
        assert!((row.dot(&row).sqrt() - 2.0).abs() < 1e-14);
    }
}

#[test]
fn the_nearest_projector_becomes_a_layer_that_is_it() {
    let run = jit(|w: Tensor| {
        let nearest = Projector::new(2).trace(&w);
        let p = nearest.projector.clone();
        let (_, back) = vjp(|layer: Layer| layer.weight(), Layer::from(nearest.clone()));
        (Layer::from(nearest).weight(), p.clone(), back(p).s)
    })
    .on(&device());
    let (w, p, ds): (Array2<f64>, Array2<f64>, Array1<f64>) = run.call(&random(8, 6, 9)).unwrap();
    assert!(largest(&(&w - &p)) < 1e-15);
    assert!(largest(&ds) == 0.0);
}

#[test]
fn nan_reaches_its_own_problem_alone() {
    let run = jit(|(v, x): (Tensor, Tensor)| {
        let (q, y) = (FORMS.map(|form| form.q(&v, 2)), FORMS.map(|form| form.apply(&v, &x, true)));
        (stack(&q.each_ref(), 0).sum_axes([2, 3]), stack(&y.each_ref(), 0).sum_axes([2, 3]))
    })
    .on(&device());
    let mut v = Array3::from_shape_vec((3, 5, 4), normal(1, 60)).unwrap();
    let mut x = Array3::from_shape_vec((3, 5, 2), normal(2, 30)).unwrap();
    (v[[1, 4, 3]], x[[2, 0, 0]]) = (f64::NAN, f64::INFINITY);
    let (q, y): (Array2<f64>, Array2<f64>) = run.call((&v, &x)).unwrap();
    for (q, y) in q.rows().into_iter().zip(y.rows()) {
        assert_eq!(q.mapv(f64::is_nan).to_vec(), [false, true, false]);
        assert_eq!(y.mapv(f64::is_nan).to_vec(), [false, true, true]);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_line() {
    let refused = |f: &dyn Fn(Tensor) -> Tensor, says: &str| {
        let error = trace(|v: Tensor| f(v), &[TensorType::new(DType::F64, [4, 2])]).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("householder_theory.rs:"), "{error}");
    };
    refused(&|v| householder_q(&v, 5), "5 columns asked for, at most 4");
    refused(&|v| householder_apply(&v, &v.t(), false), "V [..., d, k] and X [..., d, r] of one dtype expected");
    refused(&|v| householder_q(&v.index(0, &scalar(0i32)), 1), "a matrix [..., m, n] of f32 or f64 expected");
    refused(&|v| householder_q(&v.convert(DType::I32), 1), "a matrix [..., m, n] of f32 or f64 expected");
}

#[test]
fn the_cost_rule_prefers_few_steps_until_operations_are_many() {
    assert_eq!(Form::cheapest(4096, 1, 1), Form::Sequential);
    for (d, k, r) in [(512, 512, 512), (1024, 64, 64), (30_000, 50, 50), (64, 64, 1), (4096, 4096, 4096)] {
        let best = Form::cheapest(d, k, r);
        assert!(Form::NAMES.iter().all(|(_, form)| best.cost(d, k, r) <= form.cost(d, k, r)));
        assert_ne!(best, Form::Sequential, "{d} {k} {r}");
    }
}

fn sized() -> impl Strategy<Value = (usize, usize, u64)> {
    (1..24usize, 1..24usize, 0..1u64 << 32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// tr Q >= d - 2 k, and Q is orthogonal. (The laws judge the determinant and the rank of Q - I.)
    #[test]
    fn few_reflections_stay_near_the_identity((d, k, seed) in sized()) {
        let run = jit(|v: Tensor| householder_q(&v, v.dim(0))).on(&device());
        let q: Array2<f64> = run.call(&random(seed, d, k)).unwrap();
        let trace = q.diag().sum();
        prop_assert!(trace >= d as f64 - 2.0 * k as f64 - 1e-12);
        prop_assert!(largest(&(q.t().dot(&q) - Array2::<f64>::eye(d))) < 50.0 * f64::EPSILON * (k as f64).sqrt());
    }
}
