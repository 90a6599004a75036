//! Matrices of other crates through a compiled function and back: empty, single and odd shapes, both orders of memory.
//! Those of ndarray and slices are in `jit.rs`.

#![cfg(all(feature = "faer", feature = "ndarray"))]

use faer::{Col, Mat, Row};
use ndarray::{Array2, ShapeBuilder};
use tandem_compile::pjrt::Device;
use tandem_compile::{HostArray, Jit, Tensor, jit};

const SHAPES: [(usize, usize); 7] = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (3, 7)];

fn identity() -> Jit<fn(Tensor) -> Tensor, Tensor, Tensor> {
    fn same(x: Tensor) -> Tensor {
        x
    }
    jit(same as fn(Tensor) -> Tensor).on(&Device::cpu().unwrap())
}

/// The numbers 0, 1, ... row by row.
fn rows(m: usize, n: usize) -> HostArray {
    HostArray::from_fn([m, n], |at| at as f64)
}

#[test]
fn faer_and_ndarray_in_both_orders() {
    let same = identity();
    for (m, n) in SHAPES {
        let (row_major, column_major) = (
            Array2::from_shape_fn((m, n), |(i, j)| (i * n + j) as f64),
            Array2::from_shape_fn((m, n).f(), |(i, j)| (i * n + j) as f64),
        );
        assert_eq!(same.call::<HostArray>(&row_major).unwrap(), rows(m, n));
        assert_eq!(same.call::<Array2<f64>>(column_major.view()).unwrap(), row_major);
        let matrix = Mat::from_fn(m, n, |i, j| (i * n + j) as f64);
        assert_eq!(same.call::<HostArray>(&matrix).unwrap(), rows(m, n));
        assert_eq!(same.call::<Mat<f64>>(matrix.transpose()).unwrap(), matrix.transpose());
        if n > 0 {
            assert_eq!(same.call::<Col<f64>>(matrix.col(n - 1)).unwrap(), matrix.col(n - 1));
        }
        if m > 0 {
            // A row of a column-major matrix has a stride.
            assert_eq!(same.call::<Row<f64>>(matrix.row(m - 1)).unwrap(), matrix.row(m - 1));
            assert_eq!(same.call::<Row<f64>>(&matrix.row(0).to_owned()).unwrap(), matrix.row(0));
        }
    }
    let column = Col::from_fn(4, |i| i as f32);
    assert_eq!(same.call::<Col<f32>>(column.as_ref().reverse_rows()).unwrap(), column.reverse_rows());
    assert_eq!(same.call::<[f32; 4]>(&column).unwrap(), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(same.call::<[i32; 2]>(&[7, 8]).unwrap(), [7, 8]);
    let error = same.call::<Col<f64>>(&Mat::<f64>::zeros(2, 2)).unwrap_err().to_string();
    assert_eq!(error, "the result f64[2,2] is no vector");
    let error = same.call::<[i32; 3]>(&[7, 8]).unwrap_err().to_string();
    assert_eq!(error, "the result i32[2] is no i32[3]");
}

#[test]
fn arguments_may_be_nested_in_tuples() {
    let f = jit(|((a, b), c): ((Tensor, Tensor), Tensor)| a * b + c).on(&Device::cpu().unwrap());
    assert_eq!(f.call::<f64>(((2.0, 3.0), 4.0)).unwrap(), 10.0);
    assert_eq!(f.call::<f64>((2.0, 3.0, &HostArray::scalar(4.0))).unwrap(), 10.0);
}

#[cfg(feature = "nalgebra")]
mod by_nalgebra {
    use nalgebra::{DMatrix, DVector, Matrix2x3, RowDVector, RowVector3, SMatrix, SVector, Vector3};

    use super::*;

    #[test]
    fn dynamic_matrices_in_both_orders() {
        let same = identity();
        for (m, n) in SHAPES {
            let matrix = DMatrix::from_fn(m, n, |i, j| (i * n + j) as f64);
            assert_eq!(same.call::<HostArray>(&matrix).unwrap(), rows(m, n));
            assert_eq!(same.call::<DMatrix<f64>>(&matrix).unwrap(), matrix);
            let view = matrix.view_with_steps((0, 0), (m.div_ceil(2), n.div_ceil(3)), (1, 2));
            assert_eq!(same.call::<DMatrix<f64>>(&view).unwrap(), view.clone_owned());
            let vector = DVector::from_fn(m, |i, _| i as f32);
            assert_eq!(same.call::<DVector<f32>>(&vector).unwrap(), vector);
            assert_eq!(same.call::<HostArray>(&vector).unwrap(), HostArray::from_fn([m], |i| i as f32));
            let row = RowDVector::from_fn(n, |_, j| j as i64);
            assert_eq!(same.call::<RowDVector<i64>>(&row).unwrap(), row);
            assert_eq!(same.call::<HostArray>(&row).unwrap().shape(), [1, n]);
        }
        // A row of a column-major matrix, as a column of its own: with a stride.
        let matrix = DMatrix::from_fn(3, 4, |i, j| (4 * i + j) as f64);
        let row = matrix.row(1);
        assert_eq!(same.call::<Vec<f64>>(&row).unwrap(), [4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn fixed_sizes_and_results_that_do_not_fit() {
        let same = identity();
        let matrix = Matrix2x3::new(1.0, 2.0, 3.0, 4.0, 5.0, 6.0);
        assert_eq!(same.call::<Vec<f64>>(&matrix).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(same.call::<Matrix2x3<f64>>(&matrix).unwrap(), matrix);
        assert_eq!(same.call::<SMatrix<f64, 2, 3>>(&rows(2, 3)).unwrap(), Matrix2x3::new(0.0, 1.0, 2.0, 3.0, 4.0, 5.0));
        assert_eq!(same.call::<Vector3<i32>>(&Vector3::new(1, 2, 3)).unwrap(), Vector3::new(1, 2, 3));
        assert!(!same.call::<RowVector3<bool>>(&RowVector3::new(true, false, true)).unwrap()[1]);
        assert_eq!(same.call::<SVector<f64, 0>>(&SVector::<f64, 0>::zeros()).unwrap(), SVector::<f64, 0>::zeros());
        let words = |error: tandem_compile::Error| error.to_string();
        let error = words(same.call::<Matrix2x3<f64>>(&rows(3, 2)).unwrap_err());
        assert_eq!(error, "the result f64[3,2] does not fit the caller's matrix, [2, 3]");
        let error = words(same.call::<DVector<f64>>(&rows(3, 1)).unwrap_err());
        assert_eq!(error, "the result f64[3,1] does not fit the caller's matrix, [any]");
        let error = words(same.call::<DMatrix<f32>>(&rows(3, 1)).unwrap_err());
        assert_eq!(error, "the array holds f64, not f32; convert it with `cast`");
    }
}

#[cfg(feature = "npyz")]
mod by_npyz {
    use npyz::{NpyFile, Order, WriterBuilder};
    use tandem_compile::DType;

    use super::*;

    #[test]
    fn npy_files_of_every_dtype_and_both_orders() {
        for dtype in DType::ALL {
            for shape in [vec![], vec![0, 3], vec![1], vec![2, 3, 5]] {
                let count: usize = shape.iter().product();
                let array =
                    HostArray::from_fn(shape, |i| (i % 2) as i32 + i32::from(dtype != DType::Bool) * (i as i32));
                let array = array.cast(dtype).unwrap();
                let mut bytes = Vec::new();
                array.write_npy(&mut bytes).unwrap();
                let read = HostArray::try_from(NpyFile::new(&bytes[..]).unwrap()).unwrap();
                assert_eq!(read.cast(dtype).unwrap(), array, "{count}");
            }
        }
        for (m, n) in SHAPES {
            let mut bytes = Vec::new();
            let options = npyz::WriteOptions::new().default_dtype().shape(&[m as u64, n as u64]).order(Order::Fortran);
            let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
            writer.extend((0..m * n).map(|at| (at % m * n + at / m) as f64)).unwrap();
            writer.finish().unwrap();
            let read = HostArray::try_from(NpyFile::new(&bytes[..]).unwrap()).unwrap();
            assert_eq!(identity().call::<HostArray>(&read).unwrap(), rows(m, n));
        }
    }

    #[test]
    fn what_no_device_takes_is_refused() {
        let mut bytes = Vec::new();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&[1]).writer(&mut bytes).begin_nd().unwrap();
        writer.push(&u64::MAX).unwrap();
        writer.finish().unwrap();
        let error = HostArray::try_from(NpyFile::new(&bytes[..]).unwrap()).unwrap_err().to_string();
        assert_eq!(error, "a .npy file has elements of type '<u8', which no device takes");
        bytes.truncate(bytes.len() - 1);
        bytes.iter_mut().filter(|byte| **byte == b'u').for_each(|byte| *byte = b'i');
        let error = HostArray::try_from(NpyFile::new(&bytes[..]).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("a .npy file cannot be read: "), "{error}");
    }
}

#[cfg(feature = "safetensors")]
mod by_safetensors {
    use safetensors::tensor::{Dtype, SafeTensors, TensorView};
    use tandem_compile::DType;

    use super::*;

    #[test]
    fn tensors_of_every_dtype_go_straight_to_the_device() {
        let device = Device::cpu().unwrap();
        let array = |dtype, shape: &[usize]| HostArray::from_fn(shape, |i| (i % 2) as i32).cast(dtype).unwrap();
        let named: Vec<(String, HostArray)> = DType::ALL
            .iter()
            .flat_map(|&dtype| [vec![], vec![0, 3], vec![3, 5]].map(|shape| (dtype, shape)))
            .map(|(dtype, shape)| (format!("{dtype} {shape:?}"), array(dtype, &shape)))
            .collect();
        let bytes = safetensors::serialize(named.iter().map(|(name, array)| (name, array)), None).unwrap();
        // Once as it comes and once moved by one byte, so that nothing is aligned.
        let moved = [&[0][..], &bytes].concat();
        for bytes in [&bytes[..], &moved[1..]] {
            let tensors = SafeTensors::deserialize(bytes).unwrap();
            for (name, array) in &named {
                let tensor = tensors.tensor(name).unwrap();
                assert_eq!(&HostArray::try_from(&tensor).unwrap(), array);
                assert_eq!(&device.upload_tensor(&tensor).unwrap().to_host().unwrap(), array, "{name}");
            }
        }
    }

    #[test]
    fn small_integers_widen_and_what_no_device_takes_is_refused() {
        let device = Device::cpu().unwrap();
        let small = TensorView::new(Dtype::I8, vec![2], &[255, 1]).unwrap();
        assert_eq!(device.upload_tensor(&small).unwrap().to_host().unwrap(), HostArray::new([2], vec![-1, 1]).unwrap());
        let bytes = [255; 8];
        let wide = TensorView::new(Dtype::U64, vec![1], &bytes).unwrap();
        let error = device.upload_tensor(&wide).unwrap_err().to_string();
        assert_eq!(error, "a tensor has elements of type U64, which no device takes");
    }
}
