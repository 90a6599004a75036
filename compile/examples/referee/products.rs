//! Products of matrices, convolutions, factorizations.

use tandem_compile::ops::convolution::{Conv, Padding};
use tandem_compile::ops::factor::TriangularSolve;
use tandem_compile::{Tensor, einsum, eye};

use crate::function::{Function, real};

pub fn functions() -> Vec<Function> {
    [matrices(), convolutions(), factors()].concat()
}

fn matrices() -> Vec<Function> {
    let product = |name, formula: &'static str, operands: &[crate::function::Argument]| {
        Function::new(name, operands, move |x| einsum(formula, &x.iter().collect::<Vec<_>>()))
    };
    vec![
        Function::new("dot", [real([3, 4]), real([4, 2])], |x| x[0].sin().dot(&x[1])),
        Function::new("dot_vectors", [real([4]), real([4])], |x| x[0].dot(&x[1]).sin()),
        Function::new("dot_self", [real([3, 3])], |x| x[0].dot(&x[0])),
        Function::new("contract", [real([3, 4]), real([2, 4])], |x| x[0].contract(&x[1], 1, 1)),
        Function::new("matmul", [real([2, 2, 3]), real([5, 1, 3, 2])], |x| x[0].matmul(&x[1])),
        Function::new("matmul_vector", [real([2, 2, 3]), real([3])], |x| x[0].matmul(&x[1])),
        product("einsum_batch", "bij,bjk->bki", &[real([2, 3, 2]), real([2, 2, 4])]),
        product("einsum_diagonal", "iij,jk->ik", &[real([2, 2, 3]), real([3, 4])]),
        product("einsum_three", "ab,bc,cd->ad", &[real([2, 3]), real([3, 2]), real([2, 4])]),
        product("einsum_sum", "ij,kj->k", &[real([3, 4]), real([2, 4])]),
    ]
}

fn convolutions() -> Vec<Function> {
    let one = || [real([2, 3, 8]), real([4, 3, 3])];
    vec![
        Function::new("conv_valid", one(), |x| x[0].conv(&x[1], Conv::default())),
        Function::new("conv_strided", one(), |x| {
            let padding = Padding::Explicit(vec![(1, 2)]);
            x[0].conv(&x[1], Conv { strides: vec![2], padding, rhs_dilation: vec![2], ..Conv::default() })
        }),
        Function::new("conv_cut", one(), |x| {
            let padding = Padding::Explicit(vec![(-1, 3)]);
            x[0].conv(&x[1], Conv { strides: vec![3], padding, lhs_dilation: vec![2], ..Conv::default() })
        }),
        Function::new("conv_same", [real([2, 2, 5, 6]), real([3, 2, 3, 2])], |x| {
            x[0].conv(&x[1], Conv { strides: vec![2, 1], padding: Padding::Same, ..Conv::default() })
        }),
        Function::new("conv_groups", [real([2, 4, 5, 5]), real([6, 2, 2, 3])], |x| {
            let padding = Padding::Explicit(vec![(1, 0), (0, 1)]);
            let (lhs_dilation, rhs_dilation) = (vec![2, 1], vec![1, 2]);
            x[0].conv(&x[1], Conv { strides: vec![1, 2], padding, lhs_dilation, rhs_dilation, groups: 2 })
        }),
        Function::new("conv_depthwise_kernel", [real([2, 1, 3]), real([2, 2, 7])], |x| {
            x[1].conv(&x[0], Conv { groups: 2, ..Conv::default() })
        }),
    ]
}

fn factors() -> Vec<Function> {
    let solve = |name, left, lower, transpose, unit_diagonal| {
        let solve = TriangularSolve { left, lower, transpose, unit_diagonal };
        let b = if left { real([3, 2]) } else { real([2, 3]) };
        // The diagonal stays away from zero.
        Function::new(name, [real([3, 3]), b], move |x| well(&x[0]).triangular_solve(&x[1], solve))
    };
    vec![
        Function::new("cholesky_of_product", [real([3, 3])], |x| definite(&x[0]).cholesky()),
        Function::new("cholesky_batch", [real([2, 3, 3])], |x| {
            (x[0].matmul(&x[0].transpose([0, 2, 1])) + eye(3, x[0].dtype())).cholesky()
        }),
        Function::new("cholesky_lower_half", [real([3, 3])], |x| {
            // As a symmetric function of its argument, whichever half is read.
            ((&x[0] + x[0].t()) * 0.5 + 9.0 * eye(3, x[0].dtype())).cholesky()
        }),
        Function::new("cholesky", [real([3, 3])], |x| (&x[0] + 9.0 * eye(3, x[0].dtype())).cholesky()),
        Function::new("log_determinant", [real([3, 3])], |x| 2.0 * definite(&x[0]).cholesky().diag().log().sum()),
        solve("solve_left_lower", true, true, false, false),
        solve("solve_left_upper", true, false, false, false),
        solve("solve_left_lower_transposed", true, true, true, false),
        solve("solve_right_lower", false, true, false, false),
        solve("solve_right_upper_transposed", false, false, true, false),
        solve("solve_unit_diagonal", true, true, false, true),
        solve("solve_right_unit_diagonal", false, false, false, true),
    ]
}

fn definite(x: &Tensor) -> Tensor {
    x.dot(&x.t()) + eye(3, x.dtype())
}

fn well(x: &Tensor) -> Tensor {
    x + 4.0 * eye(3, x.dtype())
}
