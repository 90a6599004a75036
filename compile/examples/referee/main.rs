//! Writes many functions and their derivatives as StableHLO modules, for another implementation to judge:
//! `cargo run --release -p tandem-compile --example referee -- FOLDER`, then `tests/peers/transforms.py FOLDER`.
//!
//! There is one module for each function, `NAME.mlir`, whose results are those of all transforms one after the other;
//! `index.json` says which. A module's parameters are the function's arguments, a tangent for each of them that is
//! real, and the arguments once more with a leading axis of 3.

mod elementwise;
mod folds;
mod function;
mod index;
mod loops;
mod places;
mod products;

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;

use function::{Function, Transform};
use tandem_compile::{DType, Tensor, TensorType, grad, hessian, iota, jvp, random, trace, vmap, vmap_axes};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: referee FOLDER");
        return ExitCode::from(2);
    };
    let functions = [
        elementwise::functions(),
        folds::functions(),
        places::functions(),
        products::functions(),
        loops::functions(),
        vec![bits()],
    ]
    .concat();
    match write(Path::new(&folder), &functions) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, functions: &[Function]) -> Result<(), String> {
    let save = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    let mut entries = Vec::new();
    for function in functions {
        let (text, results) = module(function).map_err(|e| format!("{}: {e}", function.name))?;
        save(&format!("{}.mlir", function.name), &text)?;
        entries.push(index::entry(function, &results));
    }
    save("index.json", &index::file(&entries))
}

/// A function's module, and how many results it has by which transform.
fn module(function: &Function) -> tandem_compile::Result<(String, Vec<(Transform, usize)>)> {
    let plain: Vec<TensorType> = function.arguments.iter().map(|a| a.ty.clone()).collect();
    let tangents = plain.iter().filter(|ty| ty.dtype.is_float()).cloned();
    let many = plain.iter().map(|ty| ty.with_shape([&[3], ty.shape.as_slice()].concat()));
    let types: Vec<TensorType> = plain.iter().cloned().chain(tangents).chain(many).collect();
    let counts = RefCell::new(Vec::new());
    let graph = trace(
        |mut x: Vec<Tensor>| {
            let many = x.split_off(types.len() - plain.len());
            let tangents = x.split_off(plain.len());
            let results: Vec<_> =
                function.transforms().into_iter().map(|t| (t, apply(t, function, &x, &tangents, &many))).collect();
            *counts.borrow_mut() = results.iter().map(|(transform, results)| (*transform, results.len())).collect();
            results.into_iter().flat_map(|(_, results)| results).collect::<Vec<Tensor>>()
        },
        &types,
    )?;
    Ok((graph.stablehlo(), counts.into_inner()))
}

fn apply(transform: Transform, function: &Function, x: &[Tensor], dx: &[Tensor], many: &[Tensor]) -> Vec<Tensor> {
    let f = |x: Vec<Tensor>| (function.f)(&x);
    match transform {
        Transform::Value => f(x.to_vec()),
        Transform::Grad => gradient(function, x),
        Transform::Jvp => jvp(|reals: Vec<Tensor>| reals_of(&f(with(x, &reals))), reals_of(x), dx.to_vec()).1,
        Transform::Vmap => vmap(f)(many.to_vec()),
        Transform::VmapFirst => {
            let axes: Vec<Option<usize>> = (0..x.len()).map(|i| (i == 0).then_some(0)).collect();
            vmap_axes(f, axes, [])([&many[..1], &x[1..]].concat())
        }
        Transform::VmapGrad => vmap(|x: Vec<Tensor>| gradient(function, &x))(many.to_vec()),
        Transform::GradGrad => grad(|reals: Vec<Tensor>| weighted(&gradient(function, &with(x, &reals))))(reals_of(x)),
        Transform::Hessian => {
            let reals = reals_of(x);
            let first = |first: Tensor| weighted(&f(with(x, &[&[first], &reals[1..]].concat())));
            vec![hessian(first)(reals[0].clone())]
        }
    }
}

fn gradient(function: &Function, x: &[Tensor]) -> Vec<Tensor> {
    grad(|reals: Vec<Tensor>| weighted(&(function.f)(&with(x, &reals))))(reals_of(x))
}

fn reals_of(x: &[Tensor]) -> Vec<Tensor> {
    x.iter().filter(|x| x.dtype().is_float()).cloned().collect()
}

/// The arguments with others in the places of the real ones.
fn with(x: &[Tensor], reals: &[Tensor]) -> Vec<Tensor> {
    let mut reals = reals.iter().cloned();
    x.iter().map(|x| if x.dtype().is_float() { reals.next().unwrap_or(x.clone()) } else { x.clone() }).collect()
}

/// One number made of all real results: a sum in which no two elements have the same weight.
fn weighted(results: &[Tensor]) -> Tensor {
    let terms = reals_of(results).into_iter().enumerate().map(|(k, y)| {
        let weights = (iota([y.ty().len()], 0, y.dtype()) + k as f64).cos().reshape(y.shape());
        (y * weights).sum().convert(DType::F64)
    });
    terms.reduce(|x, y| x + y).unwrap_or_else(|| tandem_compile::number(0.0, DType::F64))
}

/// The words that random numbers are made of.
fn bits() -> Function {
    let key = function::Argument { ty: TensorType::new(DType::U32, [2]), values: function::Values::Any };
    Function::new("random_bits", [key], |x| random::bits(&x[0], 1000)).values_alone()
}
