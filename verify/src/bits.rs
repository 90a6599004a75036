//! Whether a device repeats itself to the bit: the same program once more, and a batch in another order.

use tandem_compile::{DType, Graph, HostArray};

use crate::backend::Backend;

/// Inputs and outputs that are a batch of independent problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The input along which the problems lie; the others are common to all.
    pub input: usize,
    /// Its axis.
    pub axis: usize,
    /// The axis of each output along which the problems lie, `None` for an output that is common to all.
    pub outputs: &'static [Option<usize>],
}

/// Whether two runs of the program give the same bits.
///
/// # Errors
/// Whatever running reports.
pub(crate) fn repeats(backend: &dyn Backend, graph: &Graph, inputs: &[HostArray]) -> Result<bool, String> {
    Ok(same(&backend.run(graph, inputs)?, &backend.run(graph, inputs)?))
}

/// Whether the batch in reverse order gives the reverse of the results, to the bit.
///
/// # Errors
/// Whatever running reports, or that the batch is not one.
pub(crate) fn permutes(
    backend: &dyn Backend,
    graph: &Graph,
    inputs: &[HostArray],
    batch: &Batch,
) -> Result<bool, String> {
    let mut other = inputs.to_vec();
    let wrong = || "there is no such input".to_owned();
    let input = other.get_mut(batch.input).ok_or_else(wrong)?;
    *input = reversed(input, batch.axis).ok_or_else(wrong)?;
    let (found, again) = (backend.run(graph, inputs)?, backend.run(graph, &other)?);
    let pairs = batch.outputs.iter().zip(found.iter().zip(&again));
    Ok(pairs.filter_map(|(axis, (x, y))| Some((x, reversed(y, (*axis)?)?))).all(|(x, y)| same_array(x, &y)))
}

fn same(x: &[HostArray], y: &[HostArray]) -> bool {
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_array(x, y))
}

/// Equal to the bit, signs of zeros included; one NaN is as good as another.
fn same_array(x: &HostArray, y: &HostArray) -> bool {
    let bits = |x: &f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    x.ty() == y.ty() && x.to_f64().iter().map(bits).eq(y.to_f64().iter().map(bits))
}

/// The array with its slices along an axis in reverse order; `None` where it has no such axis.
fn reversed(array: &HostArray, axis: usize) -> Option<HostArray> {
    let shape = array.shape();
    let size = *shape.get(axis)?;
    let inner: usize = shape[axis + 1..].iter().product();
    let from = |at: usize| {
        let (outer, rest) = (at / (size * inner), at % (size * inner));
        (outer * size + (size - 1 - rest / inner)) * inner + rest % inner
    };
    Some(match array.dtype() {
        DType::F32 => {
            let values = array.values::<f32>().ok()?;
            HostArray::from_fn(shape, |at| values[from(at)])
        }
        DType::I32 => {
            let values = array.values::<i32>().ok()?;
            HostArray::from_fn(shape, |at| values[from(at)])
        }
        _ => {
            let values = array.to_f64();
            HostArray::from_fn(shape, |at| values[from(at)]).cast(array.dtype()).ok()?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_come_in_reverse_order_along_either_axis() {
        let a = HostArray::from_fn([2, 3], |at| at as i32);
        let values = |axis| reversed(&a, axis).map(|b| b.to_f64());
        assert_eq!(values(0), Some(vec![3.0, 4.0, 5.0, 0.0, 1.0, 2.0]));
        assert_eq!(values(1), Some(vec![2.0, 1.0, 0.0, 5.0, 4.0, 3.0]));
        assert_eq!(values(2), None);
    }

    #[test]
    fn bits_tell_zeros_apart_and_not_nans() {
        let array = |x: f64| HostArray::scalar(x);
        assert!(!same_array(&array(0.0), &array(-0.0)) && same_array(&array(f64::NAN), &array(-f64::NAN)));
        assert!(!same(&[array(1.0)], &[array(1.0), array(1.0)]));
    }
}
