//! A failing case as something to run: a Rust program with the inputs' numbers, and the StableHLO that it runs.

use tandem_compile::{DType, Element, HostArray, TensorType};

use crate::certificate::Counterexample;
use crate::check::Subject;

/// Inputs of more elements are named by their case alone.
const MOST_ELEMENTS: usize = 4096;

/// A longer program is not kept: `tandem export` writes it.
const LONGEST_PROGRAM: usize = 1 << 20;

/// The record of a failure: of one case, or of the whole strategy where `case` is `None`.
pub(crate) fn counterexample<S: Subject>(
    subject: &S,
    case: Option<&S::Case>,
    dtype: DType,
    device: &str,
    name: String,
    reason: String,
) -> Counterexample {
    let Some(case) = case else {
        return Counterexample { case: name, reason, rust: None, stablehlo: None };
    };
    let inputs = subject.inputs(case, dtype);
    let types: Vec<TensorType> = inputs.iter().map(HostArray::ty).collect();
    let text = subject.graph(case, &types).ok().map(|graph| graph.stablehlo());
    let stablehlo = text.filter(|text| text.len() <= LONGEST_PROGRAM);
    let few = inputs.iter().map(HostArray::len).sum::<usize>() <= MOST_ELEMENTS;
    let rust = few.then(|| program(subject.name(), dtype, device, &name, &reason, &inputs));
    Counterexample { case: name, reason, rust, stablehlo }
}

/// A program that uploads the inputs and runs `counterexample.mlir` on them.
fn program(subject: &str, dtype: DType, device: &str, case: &str, reason: &str, inputs: &[HostArray]) -> String {
    let comment = |text: &str| text.lines().map(|line| format!("// {line}\n")).collect::<String>();
    let said = comment(&format!("{subject} in {dtype}: {reason}\nfor {case}"));
    let arrays: String = inputs.iter().map(|input| format!("        {},\n", array(input))).collect();
    format!(
        "{said}use tandem::prelude::*;

fn main() -> tandem::Result<()> {{
    let device = Device::named({device:?})?;
    let inputs = [
{arrays}    ];
    let program = device.compile(include_str!(\"counterexample.mlir\"))?;
    for result in program.run(&device, &inputs)? {{
        println!(\"{{result:?}}\");
    }}
    Ok(())
}}
"
    )
}

/// An expression that makes the array, bit by bit (but for the bits of a NaN).
fn array(array: &HostArray) -> String {
    let shape = array.shape();
    match array.dtype() {
        DType::F32 => literal(array, shape, "f32", |x: f32| number(f64::from(x), &format!("{x:?}"), "f32")),
        DType::F64 => literal(array, shape, "f64", |x: f64| number(x, &format!("{x:?}"), "f64")),
        DType::I32 => literal(array, shape, "i32", |x: i32| x.to_string()),
        other => format!("HostArray::zeros(&TensorType::new(DType::from_name(\"{other}\").unwrap(), {shape:?}))"),
    }
}

fn literal<T: Element>(array: &HostArray, shape: &[usize], name: &str, show: impl Fn(T) -> String) -> String {
    let values: Vec<String> = array.values::<T>().unwrap_or_default().iter().map(|&x| show(x)).collect();
    match shape {
        [] => format!("HostArray::scalar::<{name}>({})", values.join("")),
        _ => format!("HostArray::new::<{name}>({shape:?}, vec![{}])?", values.join(", ")),
    }
}

/// A number as Rust writes it.
fn number(x: f64, shown: &str, name: &str) -> String {
    match (x.is_nan(), x == f64::INFINITY, x == f64::NEG_INFINITY) {
        (true, ..) => format!("{name}::NAN"),
        (_, true, _) => format!("{name}::INFINITY"),
        (.., true) => format!("{name}::NEG_INFINITY"),
        _ => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_to_the_bit() {
        let a = HostArray::new([3], vec![0.1f32, f32::NEG_INFINITY, f32::NAN]);
        let text = a.map(|a| array(&a));
        assert_eq!(text.as_deref(), Ok("HostArray::new::<f32>([3], vec![0.1, f32::NEG_INFINITY, f32::NAN])?"));
        assert_eq!(array(&HostArray::scalar(-7i32)), "HostArray::scalar::<i32>(-7)");
    }
}
