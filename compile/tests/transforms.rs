//! The transforms on whole functions: known derivatives, and compositions of transforms with each other and with
//! control flow. Everything runs twice, interpreted and compiled.

use tandem_compile::pjrt::Device;
use tandem_compile::{
    DType, HostArray, Tensor, TensorType, Tree, checkpoint, cond, custom_jvp, custom_vjp, fori_loop, grad, hessian,
    hvp, jacfwd, jacrev, jit, jvp, linearize, map, number, scalar, scan, scan_reversed, stop_gradient, switch, trace,
    tree, tree_map, value_and_grad, vjp, vmap, vmap_axes, while_loop,
};

/// Runs `f` interpreted and compiled, checks that the two agree to a few units in the last place, and gives the
/// numbers of the first.
#[track_caller]
fn run<I: Tree, O: Tree>(f: impl Fn(I) -> O, arguments: impl AsRef<[HostArray]>) -> Vec<Vec<f64>> {
    let arguments = arguments.as_ref();
    let types: Vec<TensorType> = arguments.iter().map(HostArray::ty).collect();
    let graph = trace(&f, &types).unwrap_or_else(|e| panic!("{e}"));
    graph.check().unwrap_or_else(|e| panic!("{e}\n{graph}"));
    let interpreted = graph.eval(arguments).unwrap_or_else(|e| panic!("{e}"));
    let device = Device::cpu().unwrap_or_else(|e| panic!("{e}"));
    let program = graph.compile(&device).unwrap_or_else(|e| panic!("{e}\n{}", graph.stablehlo()));
    let compiled = program.run(&device, arguments).unwrap_or_else(|e| panic!("{e}"));
    for (x, y) in interpreted.iter().zip(&compiled) {
        assert_eq!(x.ty(), y.ty());
        let scale = x.to_f64().iter().fold(1.0, |scale: f64, x| scale.max(x.abs()));
        for (x, y) in x.to_f64().iter().zip(y.to_f64()) {
            assert!(
                (x - y).abs() <= 1e-13 * scale || x.to_bits() == y.to_bits(),
                "{x} interpreted, {y} compiled\n{graph}"
            );
        }
    }
    interpreted.iter().map(HostArray::to_f64).collect()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(x, y)| (x - y).abs() <= 1e-12 * y.abs().max(1.0));
    assert!(same, "{found:?}, expected {expected:?}");
}

fn vector(values: &[f64]) -> HostArray {
    HostArray::new([values.len()], values.to_vec()).unwrap()
}

fn matrix(rows: usize, values: &[f64]) -> HostArray {
    HostArray::new([rows, values.len() / rows], values.to_vec()).unwrap()
}

fn refusal<I: Tree, O: Tree>(f: impl Fn(I) -> O, types: &[TensorType]) -> String {
    trace(f, types).expect_err("refused").to_string()
}

#[test]
fn a_gradient_is_that_of_the_formula() {
    let f = |x: Tensor| (x.sin() * x.exp() + x.square() / 3.0).sum();
    let df = |x: f64| x.exp() * (x.sin() + x.cos()) + 2.0 * x / 3.0;
    let x = [0.3, -1.2, 2.0];
    near(&run(grad(f), &[vector(&x)])[0], &x.map(df));
    let both = run(value_and_grad(f), &[vector(&x)]);
    near(&both[0], &[x.iter().map(|x| x.sin() * x.exp() + x * x / 3.0).sum()]);
    near(&both[1], &x.map(df));
}

#[test]
fn derivatives_nest_to_any_order() {
    let f = |x: Tensor| x.sin();
    let (mut expected, x) = (Vec::new(), 0.7f64);
    for g in [f64::cos, |x: f64| -x.sin(), |x: f64| -x.cos()] {
        expected.push(g(x));
    }
    near(&run(grad(f), &[HostArray::scalar(x)])[0], &expected[..1]);
    near(&run(grad(grad(f)), &[HostArray::scalar(x)])[0], &expected[1..2]);
    near(&run(grad(grad(grad(f))), &[HostArray::scalar(x)])[0], &expected[2..]);
    let forward = |x: Tensor| jvp(|x| jvp(f, x, scalar(1.0)).1, x, scalar(1.0)).1;
    near(&run(forward, &[HostArray::scalar(x)])[0], &expected[1..2]);
}

#[test]
fn the_slope_of_a_power_knows_its_exponent_also_at_zero() {
    // d/dy d/dx x^y = x^(y-1) (1 + y log x), which is 1/x for y = 0.
    let slope = |x: Tensor, y: Tensor| grad(|x: Tensor| x.pow(&y))(x);
    let mixed = move |(x, y): (Tensor, Tensor)| grad(|y: Tensor| slope(x.clone(), y))(y);
    near(&run(mixed, [2.0, 0.0].map(HostArray::scalar))[0], &[0.5]);
    near(&run(mixed, [2.0, 3.0].map(HostArray::scalar))[0], &[4.0 * (1.0 + 3.0 * 2f64.ln())]);
}

#[test]
fn an_inner_derivative_does_not_confuse_its_variable_with_an_outer_one() {
    // d/dx (x * d/dy (x + y)) = 1, and d/dx (x d/dy (x y)) = 2 x.
    let sum = grad(|x: Tensor| &x * grad(|y: Tensor| &x + y)(scalar(1.0)));
    near(&run(sum, &[HostArray::scalar(3.0)])[0], &[1.0]);
    let product = grad(|x: Tensor| &x * grad(|y: Tensor| &x * y)(scalar(1.0)));
    near(&run(product, &[HostArray::scalar(3.0)])[0], &[6.0]);
}

#[test]
fn forward_and_reverse_jacobians_are_one_matrix() {
    let f = |x: Tensor| {
        let y = x.sin();
        &y.slice(0, 0, 2) * &x.slice(0, 1, 3)
    };
    let x = vector(&[0.2, 0.5, -1.0]);
    let expected = [0.2f64.cos() * 0.5, 0.2f64.sin(), 0.0, 0.0, -(0.5f64.cos()), 0.5f64.sin()];
    near(&run(jacfwd(f), [x.clone()])[0], &expected);
    near(&run(jacrev(f), [x])[0], &expected);
}

#[test]
fn the_hessian_is_symmetric_and_multiplies_vectors() {
    let f = |x: Tensor| x.exp().product();
    let x = [0.1, 0.2, -0.4];
    let e = x.iter().sum::<f64>().exp();
    near(&run(hessian(f), &[vector(&x)])[0], &[e; 9]);
    let v = [1.0, 2.0, 3.0];
    near(&run(move |(x, v): (Tensor, Tensor)| hvp(f, x, v), &[vector(&x), vector(&v)])[0], &[6.0 * e; 3]);
}

#[test]
fn a_linearized_function_is_pushed_and_pulled() {
    let f = |(x, y): (Tensor, Tensor)| (x.sin() * &y, y.square());
    let pushed = |(x, y, dx, dy): (Tensor, Tensor, Tensor, Tensor)| {
        let (_, push) = linearize(f, (x, y));
        (push((dx.clone(), dy.clone())), push((&dx * 2.0, dy * 2.0)))
    };
    let arguments: Vec<HostArray> = [0.3, 2.0, 1.0, 10.0].map(HostArray::scalar).to_vec();
    let found = run(pushed, &arguments);
    let expected = [0.3f64.cos() * 2.0 + 0.3f64.sin() * 10.0, 40.0];
    near(&[found[0][0], found[1][0]], &expected);
    near(&[found[2][0], found[3][0]], &expected.map(|x| 2.0 * x));
    let pulled = |(x, y, a, b): (Tensor, Tensor, Tensor, Tensor)| vjp(f, (x, y)).1((a, b));
    let found = run(pulled, &arguments);
    near(&[found[0][0], found[1][0]], &[0.3f64.cos() * 2.0, 0.3f64.sin() + 40.0]);
}

#[test]
fn loops_have_both_modes() {
    // x -> x^16 by squaring four times.
    let power = |x: Tensor| fori_loop(0, 4, x, |_, x| x.square());
    let slope = 16.0 * 1.1f64.powi(15);
    let x = HostArray::scalar(1.1);
    near(&run(grad(power), [x.clone()])[0], &[slope]);
    near(&run(move |x: Tensor| jvp(power, x, scalar(1.0)).1, [x.clone()])[0], &[slope]);
    near(&run(grad(grad(power)), [x.clone()])[0], &[240.0 * 1.1f64.powi(14)]);
    let forward_over_reverse = move |x: Tensor| jvp(grad(power), x, scalar(1.0)).1;
    near(&run(forward_over_reverse, [x.clone()])[0], &[240.0 * 1.1f64.powi(14)]);
    let reverse_over_forward = grad(move |x: Tensor| jvp(power, x, scalar(1.0)).1);
    near(&run(reverse_over_forward, [x])[0], &[240.0 * 1.1f64.powi(14)]);
}

#[test]
fn a_while_loop_has_forward_mode_and_says_why_it_has_no_reverse_mode() {
    let f = |x: Tensor| while_loop(x, |x| x.lt(100.0), |x| x.square());
    let x = HostArray::scalar(3.0);
    near(&run(move |x: Tensor| jvp(f, x, scalar(1.0)).1, [x])[0], &[8.0 * 3f64.powi(7)]);
    near(&run(jacfwd(f), [HostArray::scalar(3.0)])[0], &[8.0 * 3f64.powi(7)]);
    let message = refusal(grad(f), &[TensorType::scalar(DType::F64)]);
    let line = line!() - 5;
    assert!(message.starts_with(&format!("{}:{line}: while: no reverse-mode derivative", file!())), "{message}");
    // A loop that the gradient does not pass through is no obstacle.
    let counted = |x: Tensor| {
        let n = while_loop(scalar(0i32), |n| n.lt(5), |n| n + 1);
        x.square() * n.convert(DType::F64)
    };
    near(&run(grad(counted), &[HostArray::scalar(2.0)])[0], &[20.0]);
}

#[test]
fn scan_carries_stacks_and_differentiates() {
    // c' = c a + x, y = c x; from both ends.
    let f = |(a, c, xs): (Tensor, Tensor, Tensor)| {
        let (c, ys) = scan(c, xs.clone(), |c, x| (&c * &a + &x, &c * x));
        let (d, zs) = scan_reversed(c, xs, |c, x| (&c * &a + &x, &c * x));
        d + (ys * 2.0).sum() + zs.square().sum()
    };
    let plain = |a: f64, c: f64, xs: &[f64]| {
        let (mut c, mut total) = (c, 0.0);
        xs.iter().for_each(|x| {
            total += 2.0 * c * x;
            c = c * a + x;
        });
        xs.iter().rev().for_each(|x| {
            total += (c * x).powi(2);
            c = c * a + x;
        });
        c + total
    };
    let (a, c, xs) = (0.8, 0.5, [1.0, -0.5, 2.0, 0.25]);
    let arguments = [HostArray::scalar(a), HostArray::scalar(c), vector(&xs)];
    near(&run(f, &arguments)[0], &[plain(a, c, &xs)]);
    let found = run(grad(f), &arguments);
    let h = 1e-5;
    let difference = |f: &dyn Fn(f64) -> f64| (f(-2.0 * h) - 8.0 * f(-h) + 8.0 * f(h) - f(2.0 * h)) / (12.0 * h);
    let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-8 * y.abs().max(1.0), "{x}, expected {y}");
    close(found[0][0], difference(&|h| plain(a + h, c, &xs)));
    close(found[1][0], difference(&|h| plain(a, c + h, &xs)));
    for i in 0..4 {
        let moved = |h: f64| {
            let mut xs = xs;
            xs[i] += h;
            plain(a, c, &xs)
        };
        close(found[2][i], difference(&moved));
    }
}

#[test]
fn what_every_trip_uses_unchanged_is_not_stacked() {
    let f = |(w, x): (Tensor, Tensor)| fori_loop(0, 50, x, |_, x| w.t().dot(&x).sin()).sum();
    let types = [TensorType::new(DType::F64, [8, 8]), TensorType::new(DType::F64, [8])];
    let graph = trace(grad(f), &types).unwrap();
    assert!(!graph.to_string().contains("f64[50,8,8]"), "{graph}");
    assert!(graph.to_string().contains("f64[50,8]"), "{graph}");
    // The same behind a branch.
    let f =
        |(w, x): (Tensor, Tensor)| fori_loop(0, 50, x, |i, x| cond(&i.lt(25), || w.dot(&x).sin(), || x.clone())).sum();
    let graph = trace(grad(f), &types).unwrap();
    assert!(!graph.to_string().contains("f64[50,8,8]"), "{graph}");
}

#[test]
fn loops_of_no_trips_are_the_identity() {
    let f = |(x, xs): (Tensor, Tensor)| {
        let (c, ys) = scan(fori_loop(3, 3, x, |_, x| x.exp()), xs, |c, x| (&c + &x, c * x));
        c + ys.sum()
    };
    let found = run(grad(f), &[HostArray::scalar(2.0), vector(&[])]);
    assert_eq!(found, [vec![1.0], vec![]]);
}

#[test]
fn branches_have_both_modes() {
    let f = |x: Tensor| cond(&x.gt(0.0), || x.exp() * &x, || x.square());
    for (x, slope, curvature) in [(0.5f64, 1.5 * 0.5f64.exp(), 2.5 * 0.5f64.exp()), (-3.0, -6.0, 2.0)] {
        let x = HostArray::scalar(x);
        near(&run(grad(f), [x.clone()])[0], &[slope]);
        near(&run(move |x: Tensor| jvp(f, x, scalar(1.0)).1, [x.clone()])[0], &[slope]);
        near(&run(grad(grad(f)), [x])[0], &[curvature]);
    }
    let choose = |(n, x): (Tensor, Tensor)| {
        let power = |x: Tensor| switch(&n, 4, |n| (0..n).fold(number(1.0, DType::F64), |y, _| y * &x));
        grad(power)(x)
    };
    for (n, slope) in [(-1, 0.0), (0, 0.0), (1, 1.0), (2, 4.0), (3, 12.0), (9, 12.0)] {
        near(&run(choose, &[HostArray::scalar(n), HostArray::scalar(2.0)])[0], &[slope]);
    }
}

#[test]
fn vmap_is_the_loop_over_the_first_axis() {
    let f = |(a, x): (Tensor, Tensor)| a.dot(&x).sin().sum();
    let a = HostArray::from_fn([3, 2, 2], |i| i as f64 / 7.0);
    let x = HostArray::from_fn([3, 2], |i| 1.0 - i as f64 / 5.0);
    let mapped = run(vmap(grad(f)), &[a.clone(), x.clone()]);
    let looped = run(|(a, x): (Tensor, Tensor)| map((a, x), grad(f)), &[a.clone(), x.clone()]);
    near(&mapped[0], &looped[0]);
    near(&mapped[1], &looped[1]);
    // The gradient of a mapped function, and a map with one argument for all.
    let summed = run(grad(|(a, x)| vmap(f)((a, x)).sum()), &[a, x]);
    near(&summed[0], &mapped[0]);
    let products = vmap_axes(|(a, x): (Tensor, Tensor)| a.dot(&x), [None, Some(1)], [1]);
    let found = run(products, &[matrix(2, &[1.0, 2.0, 3.0, 4.0]), matrix(2, &[1.0, 0.0, 0.0, 1.0])]);
    near(&found[0], &[1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn loops_and_branches_are_mapped_whoever_decides() {
    let same = |x: Tensor| fori_loop(0, 3, x, |i, x| &x * &x + i.convert(DType::F64));
    let own = |x: Tensor| while_loop(x, |x| x.lt(10.0), |x| x * 3.0);
    let branch = |x: Tensor| cond(&x.gt(2.0), || x.sin(), || x.square());
    let x = vector(&[0.5, 2.5, 30.0]);
    let f = move |x: Tensor| (same(x.clone()), own(x.clone()), branch(x));
    let mapped = run(vmap(f), [x.clone()]);
    let looped = run(move |x: Tensor| map(x, f), [x]);
    mapped.iter().zip(&looped).for_each(|(x, y)| near(x, y));
    near(&mapped[1], &[13.5, 22.5, 30.0]);
    let sums = |xs: Tensor| scan(scalar(0.0), xs, |c, x| (&c + &x, c * x));
    let rows = matrix(2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let found = run(vmap(sums), &[rows]);
    near(&found[0], &[6.0, 15.0]);
    near(&found[1], &[0.0, 2.0, 9.0, 0.0, 20.0, 54.0]);
}

#[test]
fn a_function_keeps_the_derivative_that_it_was_given() {
    let f = || custom_jvp(|x: Tensor| x.square(), |x: Tensor, dx: Tensor| (x.square(), dx * 10.0));
    let x = HostArray::scalar(3.0);
    near(&run(f(), [x.clone()])[0], &[9.0]);
    near(&run(grad(f()), [x.clone()])[0], &[10.0]);
    near(&run(move |x: Tensor| jvp(f(), x, scalar(2.0)).1, [x.clone()])[0], &[20.0]);
    near(&run(grad(|x: Tensor| fori_loop(0, 2, x, |_, x| f()(x))), [x.clone()])[0], &[100.0]);
    near(&run(grad(|x: Tensor| vmap(f())(x).sum()), &[vector(&[1.0, 2.0])])[0], &[10.0, 10.0]);

    let g = || {
        let backward = |r: Tensor, ct: Tensor| ct * r * 7.0;
        custom_vjp(|x: Tensor| x.exp(), |x: Tensor| (x.exp(), x), backward)
    };
    near(&run(grad(g()), [x.clone()])[0], &[21.0]);
    near(
        &run(grad(|x: Tensor| fori_loop(0, 2, x, |_, x| g()(x) * 1e-3)), [x.clone()])[0],
        &[21.0 * 7.0 * 3f64.exp() * 1e-9],
    );
    near(&run(vmap(grad(g())), &[vector(&[1.0, 2.0])])[0], &[7.0, 14.0]);
    near(&run(grad(|x: Tensor| vmap(g())(x).sum()), &[vector(&[1.0, 2.0])])[0], &[7.0, 14.0]);
    near(&run(grad(grad(g())), [x])[0], &[7.0]);
    let message = refusal(|x: Tensor| jvp(g(), x, scalar(1.0)), &[TensorType::scalar(DType::F64)]);
    assert!(message.contains("custom_vjp: no forward mode"), "{message}");
}

#[test]
fn a_mapped_custom_vjp_sums_over_what_is_shared() {
    let f = custom_vjp(
        |(a, x): (Tensor, Tensor)| a * x,
        |(a, x): (Tensor, Tensor)| (&a * &x, (a, x)),
        |(a, x): (Tensor, Tensor), ct: Tensor| (&ct * x, &ct * a),
    );
    let loss = move |(a, x): (Tensor, Tensor)| vmap_axes(&f, [None, Some(0)], [0])((a, x)).sum();
    let found = run(grad(loss), &[HostArray::scalar(2.0), vector(&[1.0, 3.0])]);
    assert_eq!(found, [vec![4.0], vec![2.0, 2.0]]);
}

#[test]
fn a_checkpoint_changes_no_derivative_and_keeps_less() {
    let layer = |x: Tensor| x.sin().exp().cos();
    let plain = move |x: Tensor| fori_loop(0, 9, x, |_, x| layer(x)).sum();
    let saved = move |x: Tensor| fori_loop(0, 9, x, |_, x| checkpoint(layer)(x)).sum();
    let x = vector(&[0.1, 0.7]);
    near(&run(grad(saved), [x.clone()])[0], &run(grad(plain), [x.clone()])[0]);
    near(&run(hessian(saved), [x.clone()])[0], &run(hessian(plain), [x.clone()])[0]);
    near(&run(vmap(grad(saved)), &[matrix(1, &[0.1, 0.7])])[0], &run(grad(plain), [x])[0]);
    let stacks = |f: &dyn Fn(Tensor) -> Tensor| {
        trace(|x: Tensor| grad(f)(x), &[TensorType::new(DType::F64, [2])])
            .unwrap()
            .to_string()
            .matches("f64[9,2]")
            .count()
    };
    assert!(stacks(&saved) < stacks(&plain), "{} and {}", stacks(&saved), stacks(&plain));
}

#[test]
fn a_checkpoint_holds_what_has_its_own_derivative() {
    let tripled = || custom_vjp(|x: Tensor| x, |x: Tensor| (x, ()), |(), ct: Tensor| ct * 3.0);
    let f = move |x: Tensor| checkpoint(|x: Tensor| tripled()(x) * 5.0)(x);
    near(&run(grad(f), [HostArray::scalar(2.0)])[0], &[15.0]);
    near(&run(grad(move |x: Tensor| fori_loop(0, 2, x, |_, x| f(x))), [HostArray::scalar(2.0)])[0], &[225.0]);
    near(&run(grad(move |x: Tensor| vmap(f)(x).sum()), [vector(&[1.0, 2.0])])[0], &[15.0, 15.0]);
}

#[test]
fn a_rule_may_differentiate_on_its_own() {
    // The slope of x^8 by forward mode through a while loop, inside of a rule that is linearized.
    let power = |x: Tensor| while_loop((x, scalar(0i32)), |(_, n)| n.lt(3), |(x, n)| (x.square(), n + 1)).0;
    let f = move || {
        custom_jvp(power, move |x: Tensor, dx: Tensor| {
            let (y, slope) = jvp(power, x, scalar(1.0));
            (y, slope * dx)
        })
    };
    near(&run(grad(f()), [HostArray::scalar(2.0)])[0], &[1024.0]);
    let silent = custom_jvp(
        |x: Tensor| x.square(),
        |x: Tensor, dx: Tensor| {
            let g = custom_vjp(|x: Tensor| x.exp(), |x: Tensor| (x.exp(), x.exp()), |e: Tensor, ct: Tensor| ct * e);
            let slope = jvp(g, x.clone(), scalar(1.0)).1;
            (x.square(), slope * dx)
        },
    );
    let message = refusal(grad(silent), &[TensorType::scalar(DType::F64)]);
    assert!(message.contains("custom_vjp: no forward mode"), "{message}");
}

#[test]
fn a_carry_of_another_length_is_refused() {
    let ty = [TensorType::scalar(DType::F64)];
    let message = refusal(|x: Tensor| fori_loop(0, 3, vec![x], |_, v| vec![&v[0] + 1.0, &v[0] * 2.0]), &ty);
    assert!(message.contains("scan: 1 tensors are carried, the step returns 2"), "{message}");
    let message = refusal(|x: Tensor| fori_loop(-2_000_000_000, 2_000_000_000, x, |_, x| x + 1.0), &ty);
    assert!(message.contains("scan: 4000000000 trips are more than an i32 counts"), "{message}");
}

#[test]
fn a_stopped_gradient_is_zero() {
    let f = |x: Tensor| stop_gradient(&x) * x;
    near(&run(grad(f), &[HostArray::scalar(3.0)])[0], &[3.0]);
}

#[derive(Clone)]
struct Model {
    weights: Vec<Tensor>,
    offset: Tensor,
}
tree!(Model { offset, weights });

#[test]
fn structs_and_vectors_are_differentiated_as_they_are() {
    let loss = |model: Model| model.weights.iter().fold(model.offset.clone(), |x, w| x * w);
    let found = run(grad(loss), [2.0, 3.0, 5.0].map(HostArray::scalar));
    assert_eq!(found, [vec![15.0], vec![10.0], vec![6.0]]);
    let doubled = |model: Model| tree_map(&model, |x| x * 2.0);
    assert_eq!(run(doubled, [2.0, 3.0].map(HostArray::scalar)), [vec![4.0], vec![6.0]]);
}

#[test]
fn misuse_of_a_transform_is_reported_at_its_line() {
    let f64s = |shape: &[usize]| TensorType::new(DType::F64, shape);
    let here = |line: u32, text: &str| format!("{}:{line}: {text}", file!());
    let (f, line) = (grad(|x: Tensor| x.square()), line!());
    let wanted = "grad: the function must return one floating-point number, it returns f64[2]";
    assert_eq!(refusal(f, &[f64s(&[2])]), here(line, wanted));
    let (f, line) = (grad(|(x, n): (Tensor, Tensor)| x.sum() * n.convert(DType::F64)), line!());
    let wanted = "grad: floating-point arguments expected, argument 1 is i32[]; capture it in a closure instead: \
                  grad(|x| f(x, &it))";
    assert_eq!(refusal(f, &[f64s(&[2]), TensorType::scalar(DType::I32)]), here(line, wanted));
    let (f, line) = (|(x, t): (Tensor, Tensor)| jvp(|x: Tensor| x.sin(), x, t), line!());
    let wanted = "jvp: tangents of the types (f64[2]) expected, got (f64[3])";
    assert_eq!(refusal(f, &[f64s(&[2]), f64s(&[3])]), here(line, wanted));
    let (f, line) = (vmap(|(x, y): (Tensor, Tensor)| x + y), line!());
    let wanted = "vmap: sizes of the mapped axes differ: 2 of argument 0 and 4 of argument 1, f64[4,3]";
    assert_eq!(refusal(f, &[f64s(&[2, 3]), f64s(&[4, 3])]), here(line, wanted));
    let (f, line) = (vmap(|x: Tensor| x), line!());
    assert_eq!(refusal(f, &[f64s(&[])]), here(line, "vmap: argument 0, f64[], has no axis 0 to map over"));
    let (f, line) = (grad(|x: Tensor| x.reshape([3]).sum()), line!());
    let message = refusal(f, &[f64s(&[2])]);
    assert!(message.starts_with(&here(line, "reshape:")), "{message}");
}

#[test]
fn a_gradient_runs_through_jit() {
    let device = Device::cpu().unwrap();
    let step = jit(|(w, x): (Tensor, Tensor)| grad(|w: Tensor| (w.dot(&x) - 1.0).square())(w)).on(&device);
    let g: Vec<f64> = step.call((&[1.0, 2.0][..], &[3.0, 4.0][..])).unwrap();
    assert_eq!(g, [60.0, 80.0]);
}

#[test]
fn graphs_grow_in_step_with_the_operations() {
    let ty = [TensorType::new(DType::F32, [8])];
    let chain = |n: usize| move |x: Tensor| (0..n).fold(x, |x, _| (&x * &x).sin()).sum();
    let plain = |n| trace(chain(n), &ty).unwrap().nodes().len();
    let reverse = |n| trace(grad(chain(n)), &ty).unwrap().nodes().len();
    let forward = |n| trace(move |x: Tensor| jvp(chain(n), x.clone(), x), &ty).unwrap().nodes().len();
    assert_eq!(plain(200), 401);
    for nodes in [&reverse as &dyn Fn(usize) -> usize, &forward] {
        assert_eq!(nodes(400) - nodes(200), 2 * (nodes(200) - nodes(100)));
        assert!(nodes(200) < 6 * plain(200), "{}", nodes(200));
    }
}
