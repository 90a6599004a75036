//! Sums, extrema, their running and windowed forms, statistics, orders.

use tandem_compile::{Tensor, sort_by_key, sort_by_keys};

use crate::function::{Argument, Function, given, real, whole};

pub fn functions() -> Vec<Function> {
    [reductions(), cumulative(), statistics(), windows(), orders()].concat()
}

fn of(name: &'static str, argument: Argument, f: fn(&Tensor) -> Tensor) -> Function {
    Function::new(name, [argument], move |x| f(&x[0]))
}

fn ties() -> Argument {
    given([3, 4], &[1.0, 3.0, 3.0, 2.0, -1.0, -1.0, -1.0, -1.0, 0.0, 5.0, 4.0, 5.0])
}

fn zeros() -> Argument {
    given([3, 4], &[1.5, 2.0, 0.5, -3.0, 2.0, 0.0, 3.0, -1.0, 0.0, 4.0, 0.0, 2.5])
}

fn reductions() -> Vec<Function> {
    vec![
        of("sum", real([3, 4]), |x| x.square().sum_axes([0])),
        of("mean", real([3, 4]), |x| x.square().mean_axes([1])),
        of("product", real([3, 4]), |x| x.product_axes([1])),
        of("product_zeros", zeros(), |x| x.product_axes([1])),
        of("product_whole", real([5]), Tensor::product),
        of("max", real([3, 4]), |x| x.max_axes([0])),
        of("max_ties", ties(), |x| x.max_axes([1])),
        of("max_ties_whole", ties(), Tensor::max),
        of("min_ties", ties(), |x| x.min_axes([1])),
        Function::new("argmax", [ties()], |x| (x[0].argmax(1), x[0].argmin(1), x[0].argmax(0))).values_alone(),
        of("reduce_general", real([5]), |x| {
            x.reduce(f64::NEG_INFINITY, [0], |a, b| a.maximum(&b) + (-(&a - &b).abs()).exp().log1p())
        }),
    ]
}

fn cumulative() -> Vec<Function> {
    vec![
        of("cumsum", real([3, 4]), |x| x.sin().cumsum(1)),
        of("cumsum_reverse", real([3, 4]), |x| x.sin().cumsum_reverse(0)),
        of("cumprod", real([3, 4]), |x| x.cumprod(1)),
        of("cumprod_zeros", zeros(), |x| x.cumprod(1)),
        of("cumprod_reverse", real([4, 3]), |x| x.cumprod_reverse(0)),
        of("cummax", real([3, 4]), |x| x.cummax(1)),
        of("cummax_ties", ties(), |x| x.cummax(1)),
        of("cummin_ties", ties(), |x| x.cummin(1)),
        of("cummax_reverse", real([3, 4]), |x| x.cummax_reverse(0)),
    ]
}

fn statistics() -> Vec<Function> {
    let large = || given([2, 3], &[1000.0, 1001.0, 999.0, -1e4, 0.0, 1.0]);
    vec![
        of("logsumexp", real([3, 4]), |x| x.logsumexp_axes([1])),
        of("logsumexp_whole", real([3, 4]), Tensor::logsumexp),
        of("logsumexp_large", large(), |x| x.logsumexp_axes([1])),
        of("logsumexp_infinite", given([4], &[f64::NEG_INFINITY, 0.0, 1.0, f64::NEG_INFINITY]), Tensor::logsumexp),
        of("softmax", real([3, 4]), |x| x.softmax(1)),
        of("softmax_large", large(), |x| x.softmax(1)),
        of("log_softmax", real([3, 4]), |x| x.log_softmax(0)),
        of("log_softmax_large", large(), |x| x.log_softmax(1)),
        of("var", real([3, 4]), |x| x.var_axes([0])),
        of("std", real([3, 4]), |x| x.std_axes([1])),
        of("norm", real([3, 4]), |x| x.norm_axes([1])),
        of("norm_whole", real([3, 4]), Tensor::norm),
        of("median_odd", real([5, 2]), |x| x.median(0)),
        of("median_even", real([2, 6]), |x| x.median(1)),
    ]
}

fn windows() -> Vec<Function> {
    let image = || real([1, 2, 6, 5]);
    vec![
        of("max_pool", image(), |x| x.window_max([1, 1, 2, 2], [1, 1, 2, 1], [(0, 0), (0, 0), (1, 0), (0, 1)])),
        of("max_pool_ties", given([6], &[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]), |x| x.window_max([3], [1], [(1, 1)])),
        of("min_pool", real([7]), |x| x.window_min([3], [2], [(0, 0)])),
        of("avg_pool", image(), |x| x.window_sum([1, 1, 3, 2], [1, 1, 1, 2], [(0, 0), (0, 0), (1, 1), (0, 0)]) / 6.0),
    ]
}

fn orders() -> Vec<Function> {
    let keys = || whole([5], &[3, 1, 2, 1, 3]);
    vec![
        of("sort", real([3, 4]), |x| x.sort(1)),
        of("sort_first_axis", ties(), |x| x.sort(0)),
        of("sort_ties", ties(), |x| x.sort(1)),
        Function::new("argsort", [ties()], |x| (x[0].argsort(1, false), x[0].argsort(0, true))).values_alone(),
        Function::new("sort_by_key", [keys(), real([5])], |x| sort_by_key(&[&x[0], &x[1]], 0, false)),
        Function::new("sort_by_keys", [keys(), real([5]), real([5])], |x| {
            sort_by_keys(&[&x[0], &x[1], &x[2]], 2, 0, false)
        }),
        Function::new("sort_pairs", [real([5]), real([5])], |x| sort_by_key(&[&x[0], &x[1]], 0, false)),
        Function::new("top_k", [real([3, 4])], |x| x[0].top_k(2)),
        Function::new("top_k_ties", [ties()], |x| x[0].top_k(3)),
    ]
}
