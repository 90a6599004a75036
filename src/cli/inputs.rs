//! `--input NAME=FILE` and `--set KEY=VALUE`, up to a problem with its inputs in memory.

use tandem_compile::{DType, HostArray, TensorType};

use super::Failure;
use crate::files::FileRef;
use crate::registry::{Algorithm, Elements, Input, Signature, algorithms, find};

/// The algorithm called `name`.
pub fn algorithm(name: &str) -> Result<&'static dyn Algorithm, Failure> {
    find(name).ok_or_else(|| {
        let known: Vec<&str> = algorithms().iter().map(|a| a.name()).collect();
        Failure::usage(format!("there is no algorithm {name}; known are {}", known.join(", ")))
    })
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// What stands after `NAME=`.
    Text(String),
    /// One array of a file that is an input as a whole.
    Array(HostArray),
}

/// What the run takes and gives, and where its inputs come from, in order; `None` where an optional input is not given. A file
/// that is an input as a whole is read, and every array that is made of it is an input.
pub fn assign(algorithm: &dyn Algorithm, assignments: &[String]) -> Result<(Signature, Vec<Option<Source>>), Failure> {
    let (signature, values) = texts(algorithm, assignments)?;
    if signature.inputs.iter().all(|input| input.elements != Elements::Tensors) {
        return Ok((signature, values.into_iter().map(|text| text.map(Source::Text)).collect()));
    }
    let (mut inputs, mut sources) = (Vec::new(), Vec::new());
    for (input, text) in signature.inputs.iter().zip(values) {
        match (input.elements, text) {
            (Elements::Tensors, Some(text)) => {
                for (name, array) in unpacked(algorithm, input, &text)? {
                    // The command's own list of inputs, which lives as long as the process.
                    let name = &*Box::leak(format!("{}:{name}", input.name).into_boxed_str());
                    inputs.push(Input { name, elements: Elements::Real, ..*input });
                    sources.push(Some(Source::Array(array)));
                }
            }
            (_, text) => {
                inputs.push(*input);
                sources.push(text.map(Source::Text));
            }
        }
    }
    Ok((Signature { inputs: Box::leak(inputs.into_boxed_slice()), ..signature }, sources))
}

/// The arrays that stand in the place of an input that is a whole file.
fn unpacked(algorithm: &dyn Algorithm, input: &Input, text: &str) -> Result<Vec<(String, HostArray)>, Failure> {
    let about = |reason: String| Failure::usage(format!("input {}: {reason}", input.name));
    let file = FileRef::parse(text).map_err(|e| about(e.to_string()))?;
    check_memory(file.bytes())?;
    let set = file.read_set().map_err(|e| about(e.to_string()))?;
    algorithm.unpack(&set).map_err(|reason| about(format!("{text}: {reason}")))
}

/// What the run takes and gives, and the texts after `NAME=` in the order of its inputs; `None` where an optional input is
/// not given.
fn texts(algorithm: &dyn Algorithm, assignments: &[String]) -> Result<(Signature, Vec<Option<String>>), Failure> {
    let given: Vec<&str> = assignments.iter().filter_map(|text| Some(text.split_once('=')?.0)).collect();
    let signature = algorithm.signature(&given);
    let inputs = signature.inputs;
    let known = || inputs.iter().map(|input| input.name).collect::<Vec<_>>().join(", ");
    let mut values: Vec<Option<String>> = vec![None; inputs.len()];
    for assignment in assignments {
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(Failure::usage(format!(
                "--input {assignment}: expected NAME=FILE with NAME one of {}",
                known()
            )));
        };
        let Some(at) = inputs.iter().position(|input| input.name == name) else {
            let algorithm = algorithm.name();
            return Err(Failure::usage(format!("--input {name}: {algorithm} has no such input; it has {}", known())));
        };
        if values[at].replace(value.into()).is_some() {
            return Err(Failure::usage(format!("--input {name}: the input is given twice")));
        }
    }
    for (input, value) in inputs.iter().zip(&values) {
        if value.is_none() && !input.optional {
            let (name, shape, about) = (input.name, input.shape, input.about);
            return Err(Failure::usage(format!("the input {name} is missing ({shape}, {about}): --input {name}=FILE")));
        }
    }
    Ok((signature, values))
}

/// Reads an input in the dtype that it has in a run of precision `real`.
pub fn read(input: &Input, source: &Source, real: DType, allow_nonfinite: bool) -> Result<HostArray, Failure> {
    let about = |reason: String| Failure::usage(format!("input {}: {reason}", input.name));
    let (text, array) = match source {
        Source::Text(text) => {
            let file = FileRef::parse(text).map_err(|e| about(e.to_string()))?;
            (text.as_str(), load(input, &file)?)
        }
        Source::Array(array) => ("the file", array.clone()),
    };
    let array = array.cast(input.elements.dtype(real)).map_err(|e| about(format!("{text}: {e}")))?;
    if let Some(at) = array.first_nonfinite().filter(|_| !allow_nonfinite) {
        let (value, position) = (array.to_f64()[at], position(at, array.shape()));
        return Err(about(format!(
            "{text}: the element {position} is {value}; clean the data, or pass --allow-nonfinite to see what comes out"
        )));
    }
    Ok(array)
}

/// Reads a file that fits into memory.
pub fn load(input: &Input, file: &FileRef) -> Result<HostArray, Failure> {
    check_memory(file.bytes())?;
    file.read().map_err(|e| Failure::usage(format!("input {}: {e}", input.name)))
}

/// A row-major position as `[i, j]`.
fn position(mut at: usize, shape: &[usize]) -> String {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let index = at % size.max(1);
            at /= size.max(1);
            index
        })
        .collect();
    indices.reverse();
    format!("{indices:?}")
}

/// `f32[768,512]` as a type.
pub fn tensor_type(text: &str) -> Option<TensorType> {
    let (dtype, shape) = text.strip_suffix(']')?.split_once('[')?;
    let dtype = DType::from_name(dtype)?;
    if shape.trim().is_empty() {
        return Some(TensorType::scalar(dtype));
    }
    let sizes: Option<Vec<usize>> = shape.split(',').map(|size| size.trim().parse().ok()).collect();
    // Sizes whose product no memory holds are no shape.
    let sizes = sizes.filter(|s| s.iter().try_fold(1usize, |len, &size| len.checked_mul(size)).is_some())?;
    Some(TensorType::new(dtype, sizes))
}

/// Checks that a run that needs `bytes` fits into this machine's free memory.
pub fn check_memory(bytes: f64) -> Result<(), Failure> {
    let Some(free) = free_memory() else {
        return Ok(());
    };
    if bytes <= free {
        return Ok(());
    }
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    Err(Failure::usage(format!(
        "the run needs at least {:.1} GiB of memory and {:.1} GiB are free; choose smaller inputs or parameters",
        gib(bytes),
        gib(free)
    )))
}

/// What the system says can be allocated without swapping, in bytes; `None` where it does not say.
fn free_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_printed() {
        for text in ["f32[768,512]", "f64[3]", "i32[]"] {
            assert_eq!(tensor_type(text).map(|ty| ty.to_string()).as_deref(), Some(text));
        }
        for text in ["f32", "f33[2]", "f32[2", "f32[a]", "f32[-1]", "a.npy", "f32[99999999999,99999999999]"] {
            assert_eq!(tensor_type(text), None, "{text}");
        }
    }
}
