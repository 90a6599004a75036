//! Loops, branches, derivatives of the user's own, and a small network.

use tandem_compile::{
    DType, Tensor, checkpoint, cond, custom_jvp, custom_vjp, fori_loop, map, optimization_barrier, scan, scan_reversed,
    switch, while_loop,
};

use crate::function::Transform::{Grad, GradGrad, Hessian, Jvp, VmapGrad};
use crate::function::{Argument, Function, real, whole};

pub fn functions() -> Vec<Function> {
    [loops(), branches(), own_rules(), networks()].concat()
}

fn loops() -> Vec<Function> {
    vec![
        Function::new("scan_rnn", [real([2]), real([2, 2]), real([3, 2]), real([4, 3])], |x| {
            scan(x[0].clone(), x[3].clone(), |h, input| {
                let h = (h.dot(&x[1]) + input.dot(&x[2])).tanh();
                (h.clone(), h)
            })
        }),
        Function::new("scan_reversed", [real([]), real([4])], |x| {
            scan_reversed(x[0].clone(), x[1].clone(), |c, x| ((&c * 0.5 + &x).sin(), c * x))
        }),
        Function::new("scan_nested", [real([]), real([3, 4])], |x| {
            scan(x[0].clone(), x[1].clone(), |c, row| {
                let (c, partial) = scan(c, row.clone(), |c, x| (&c * 0.9 + x.sin(), c * x));
                (&c * 0.5, partial.sum() + row.max())
            })
        }),
        Function::new("scan_counts", [whole([], &[2]), real([3]), whole([4], &[1, 0, 2, 1])], |x| {
            scan((x[0].clone(), x[1].clone()), x[2].clone(), |(n, y), i| {
                let z = &y * (&n + &i).convert(DType::F64) + y.index(0, &i);
                ((n + 1, z.sin()), z.sum())
            })
        }),
        Function::new("map", [real([4, 2]), real([2])], |x| map(x[0].clone(), |row| row.sin().dot(&x[1]))),
        Function::new("fori_loop", [real([3]), real([])], |x| {
            fori_loop(2, 6, x[0].clone(), |i, y| (y * &x[1] + i.convert(DType::F64)).sin())
        }),
        Function::new("fori_nothing", [real([3])], |x| fori_loop(3, 3, x[0].clone(), |_, y| y.sin())),
        Function::new("while_loop", [real([3]), whole([], &[1])], |x| {
            let init = (x[0].clone(), x[1].clone());
            while_loop(init, |(y, _)| y.square().sum().lt(50.0), |(y, n)| (y * 1.7 + 0.3, n + 1))
        })
        .without(&[Grad, VmapGrad, GradGrad, Hessian]),
    ]
}

fn branches() -> Vec<Function> {
    vec![
        Function::new("cond", [real([3]), real([])], |x| cond(&x[1].gt(0.0), || x[0].sin() * &x[1], || x[0].square())),
        Function::new("cond_lazy", [real([3]), whole([], &[1])], |x| {
            cond(&x[1].gt(0), || x[0].square().sqrt(), || x[0].log())
        }),
        Function::new("switch", [whole([], &[2]), real([3])], |x| {
            switch(&x[0], 3, |n| (0..n).fold(x[1].sin(), |y, _| y * &x[1]))
        }),
        Function::new("switch_outside", [whole([], &[9]), real([3])], |x| {
            switch(&x[0], 2, |n| if n == 0 { x[1].sin() } else { x[1].exp() })
        }),
        Function::new("scan_cond", [real([2]), whole([4], &[0, 1, 1, 0])], |x| {
            scan(x[0].clone(), x[1].clone(), |y, i| {
                let y = cond(&i.gt(0), || y.sin(), || &y * 0.5);
                (y.clone(), y.sum())
            })
        }),
    ]
}

fn own_rules() -> Vec<Function> {
    vec![
        // Twice the true derivative, so that it shows whose rule is used.
        Function::new("custom_jvp", [real([3])], |x| {
            let double = custom_jvp(|x: Tensor| x.sin(), |x: Tensor, dx: Tensor| (x.sin(), 2.0 * x.cos() * dx));
            double(x[0].square())
        }),
        Function::new("custom_vjp", [real([3]), real([3])], |x| {
            let own = custom_vjp(
                |(x, y): (Tensor, Tensor)| x * y.sin(),
                |(x, y): (Tensor, Tensor)| (&x * y.sin(), (x, y)),
                |(x, y): (Tensor, Tensor), ct: Tensor| (2.0 * &ct * y, 3.0 * ct * x),
            );
            own((x[0].square(), x[1].clone()))
        })
        .without(&[Jvp, Hessian]),
        Function::new("checkpoint", [real([3]), real([3])], |x| {
            checkpoint(|(x, y): (Tensor, Tensor)| (x.sin() * &y).exp().tanh())((x[0].clone(), x[1].clone()))
        }),
        Function::new("checkpoint_scan", [real([2]), real([4, 2])], |x| {
            let step = checkpoint(|(c, x): (Tensor, Tensor)| (c * x.sin()).tanh());
            scan(x[0].clone(), x[1].clone(), |c, x| {
                let c = step((c, x));
                (c.clone(), c)
            })
        }),
        Function::new("optimization_barrier", [real([3])], |x| optimization_barrier(&x[0].sin()) * &x[0]),
    ]
}

fn networks() -> Vec<Function> {
    let weights = || [real([3, 4]), real([4]), real([4, 3]), real([3])];
    let data: [Argument; 2] = [real([5, 3]), whole([5], &[0, 2, 1, 1, 0])];
    vec![
        Function::new("mlp_loss", [&weights()[..], &data].concat(), |x| {
            let hidden = (x[4].dot(&x[0]) + &x[1]).tanh();
            let scores = (hidden.dot(&x[2]) + &x[3]).log_softmax(1);
            -(scores * x[5].one_hot(3, DType::F64)).sum_axes([1]).mean()
        }),
        Function::new("attention", [real([3, 2]), real([3, 2]), real([3, 2])], |x| {
            (x[0].contract(&x[1], 1, 1) / 2f64.sqrt()).tril(0).softmax(1).dot(&x[2])
        }),
        Function::new("layer_norm", [real([2, 4]), real([4]), real([4])], |x| {
            let centred = &x[0] - x[0].mean_axes([1]).reshape([2, 1]);
            let deviation = (x[0].var_axes([1]) + 1e-5).rsqrt().reshape([2, 1]);
            centred * deviation * &x[1] + &x[2]
        }),
    ]
}
