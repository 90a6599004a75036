//! Sums of products against one loop over all values of all indices.

use tandem_compile::einsum;
use tandem_compile::{DType, HostArray, Tensor, TensorType, trace};

/// Small whole numbers, so that every sum is exact.
fn operand(dtype: DType, shape: &[usize], salt: usize) -> HostArray {
    let values: Vec<i64> = (0..shape.iter().product()).map(|i: usize| ((i * 7 + salt * 5) % 11) as i64 - 5).collect();
    HostArray::from_fn(shape, |i| values[i]).cast(dtype).unwrap()
}

/// The sum over every combination of positions, index by index.
fn naive(inputs: &[&str], output: &str, operands: &[HostArray]) -> (Vec<usize>, Vec<f64>) {
    let mut sizes: Vec<(char, usize)> = Vec::new();
    for (letters, x) in inputs.iter().zip(operands) {
        for (letter, &size) in letters.chars().zip(x.shape()) {
            if !sizes.contains(&(letter, size)) {
                sizes.push((letter, size));
            }
        }
    }
    let size = |letter: char| sizes.iter().find(|(l, _)| *l == letter).map_or(0, |(_, size)| *size);
    let shape: Vec<usize> = output.chars().map(size).collect();
    let mut sums = vec![0.0; shape.iter().product()];
    for mut at in 0..sizes.iter().map(|(_, size)| size).product() {
        let place: Vec<usize> = sizes
            .iter()
            .map(|(_, size)| {
                let digit = at % size;
                at /= size;
                digit
            })
            .collect();
        let position = |letter: char| sizes.iter().position(|(l, _)| *l == letter).map_or(0, |i| place[i]);
        let row_major = |letters: &str| letters.chars().fold(0, |at, letter| at * size(letter) + position(letter));
        sums[row_major(output)] +=
            inputs.iter().zip(operands).map(|(letters, x)| x.to_f64()[row_major(letters)]).product::<f64>();
    }
    (shape, sums)
}

fn check(formula: &str, explicit: &str, shapes: &[&[usize]]) {
    let (left, output) = explicit.split_once("->").unwrap();
    let inputs: Vec<&str> = left.split(',').collect();
    for dtype in [DType::F64, DType::F32, DType::I32] {
        let operands: Vec<HostArray> = shapes.iter().enumerate().map(|(i, shape)| operand(dtype, shape, i)).collect();
        let types: Vec<TensorType> = operands.iter().map(HostArray::ty).collect();
        let graph = trace(|x: Vec<Tensor>| einsum(formula, &x.iter().collect::<Vec<_>>()), &types);
        let graph = graph.unwrap_or_else(|error| panic!("{formula}: {error}"));
        graph.check().unwrap();
        let line = file!();
        assert!(graph.nodes().iter().all(|node| node.location.file() == line), "{formula}: {graph}");
        let found = graph.eval(&operands).unwrap();
        let (shape, sums) = naive(&inputs, output, &operands);
        assert_eq!(found[0].ty(), TensorType::new(dtype, shape), "{formula}");
        assert_eq!(found[0].to_f64(), sums, "{formula} in {dtype}");
    }
}

#[test]
fn one_operand_is_rearranged_summed_and_cut_to_its_diagonals() {
    check("ij->ij", "ij->ij", &[&[2, 3]]);
    check("ij->ji", "ij->ji", &[&[2, 3]]);
    check("ba", "ba->ab", &[&[2, 3]]);
    check("ij->", "ij->", &[&[2, 3]]);
    check("ij->i", "ij->i", &[&[2, 0]]);
    check("ii", "ii->", &[&[3, 3]]);
    check("ii->i", "ii->i", &[&[3, 3]]);
    check("iji->ji", "iji->ji", &[&[3, 2, 3]]);
    check("iiijj->j", "iiijj->j", &[&[3, 3, 3, 2, 2]]);
    check("->", "->", &[&[]]);
}

#[test]
fn two_operands_are_contracted() {
    check("ij,jk->ik", "ij,jk->ik", &[&[2, 3], &[3, 4]]);
    check(" i j , j k -> k i ", "ij,jk->ki", &[&[2, 3], &[3, 4]]);
    check("ij,jk", "ij,jk->ik", &[&[2, 3], &[3, 4]]);
    check("i,i", "i,i->", &[&[3], &[3]]);
    check("i,j->ji", "i,j->ji", &[&[3], &[2]]);
    check("bij,bjk->bik", "bij,bjk->bik", &[&[2, 2, 3], &[2, 3, 4]]);
    check("bij,kjb->kbi", "bij,kjb->kbi", &[&[2, 2, 3], &[4, 3, 2]]);
    check("ij,ij->ij", "ij,ij->ij", &[&[2, 3], &[2, 3]]);
    check("ij,kl->il", "ij,kl->il", &[&[2, 3], &[4, 5]]);
    check("ii,ij->j", "ii,ij->j", &[&[3, 3], &[3, 2]]);
    check(",i->i", ",i->i", &[&[], &[3]]);
    check("ij,jk->ik", "ij,jk->ik", &[&[2, 0], &[0, 4]]);
}

#[test]
fn more_operands_are_multiplied_from_left_to_right() {
    check("ij,jk,kl->il", "ij,jk,kl->il", &[&[2, 3], &[3, 4], &[4, 2]]);
    check("i,ij,j", "i,ij,j->", &[&[2], &[2, 3], &[3]]);
    check("ai,bi,ci->abc", "ai,bi,ci->abc", &[&[2, 3], &[3, 3], &[4, 3]]);
    check("i,j,k,i->kj", "i,j,k,i->kj", &[&[2], &[3], &[4], &[2]]);
}

#[test]
fn what_does_not_fit_is_refused_at_the_callers_line() {
    let refused = |formula: &str, shapes: &[&[usize]], message: &str| {
        let types: Vec<TensorType> = shapes.iter().map(|&shape| TensorType::new(DType::F64, shape)).collect();
        let error = trace(|x: Vec<Tensor>| einsum(formula, &x.iter().collect::<Vec<_>>()), &types).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(message) && text.contains(file!()), "{formula}: {text}");
    };
    refused(
        "ij,jk",
        &[&[2, 3], &[4, 5]],
        "index 'j' has size 3 in operand 0, f64[2,3], and size 4 in operand 1, f64[4,5]",
    );
    refused("ii", &[&[2, 3]], "index 'i' has size 2 in operand 0, f64[2,3], and size 3 in operand 0, f64[2,3]");
    refused("ij,jk", &[&[2, 3]], "the formula has 2 operands, 1 are given");
    refused("ijk", &[&[2, 3]], "\"ijk\" names 3 axes, operand 0 is f64[2,3]");
    refused("ij->ijk", &[&[2, 3]], "index 'k' of the result is in no operand");
    refused("ij->ii", &[&[2, 3]], "index 'i' stands twice in the result");
    refused("...i", &[&[2, 3]], "'.' is no index");
    refused("ij->i->j", &[&[2, 3]], "'-' is no index");
}
