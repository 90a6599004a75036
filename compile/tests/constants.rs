//! An array written into a program comes back with the same bits.

use half::{bf16, f16};
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, Element, HostArray, Tensor, constant, jit};

/// The arrays as constants of one program, and through another as arguments.
fn returned(arrays: &[HostArray]) -> [Vec<HostArray>; 2] {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    let constants = jit(|_: ()| arrays.iter().map(constant).collect::<Vec<_>>()).on(&device);
    let arguments = jit(|arguments: Vec<Tensor>| arguments).on(&device);
    [constants.call(()), arguments.call(arrays)].map(|found| found.unwrap_or_else(|error| panic!("{error}")))
}

/// `values` once as they are (in decimal, or as one bit pattern), once each by itself, and once as one of many (in
/// hexadecimal), and none of them.
fn check<T: Element>(values: &[T], bits: fn(&T) -> u64) {
    let mut arrays = vec![HostArray::new([values.len()], values.to_vec()).unwrap()];
    arrays.extend(values.iter().map(|&x| HostArray::scalar(x)));
    arrays.extend(values.iter().map(|&x| HostArray::from_fn([2, 3], |_| x)));
    arrays.push(HostArray::from_fn([5, 13, 3], |i| values[i % values.len()]));
    arrays.push(HostArray::from_fn([64], |i| values[i % values.len()]));
    arrays.push(HostArray::from_fn([0], |_| values[0]));
    arrays.push(HostArray::from_fn([3, 0, 2], |_| values[0]));
    let all = |array: &HostArray| array.values::<T>().unwrap().iter().map(bits).collect::<Vec<u64>>();
    for found in returned(&arrays) {
        for (found, expected) in found.iter().zip(&arrays) {
            assert_eq!(found.ty(), expected.ty());
            assert_eq!(all(found), all(expected), "{expected:?}");
        }
    }
}

#[test]
fn floats_keep_their_bits() {
    check(
        &[
            0.0,
            -0.0,
            1.0,
            0.1,
            -1e300,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            -1e-310,
            f64::EPSILON,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            -f64::NAN,
            f64::from_bits(0x7FF8_0000_DEAD_BEEF),
        ],
        |x| x.to_bits(),
    );
    check(
        &[
            0.0,
            -0.0,
            1.0,
            0.1,
            -1e30,
            f32::MAX,
            f32::MIN_POSITIVE,
            1e-45,
            -1e-40,
            f32::EPSILON,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            -f32::NAN,
            f32::from_bits(0x7FC0_BEEF),
        ],
        |x| x.to_bits().into(),
    );
}

#[test]
fn narrow_floats_keep_their_bits() {
    check(
        &[0x0000, 0x8000, 0x3C00, 0x2E66, 0x7BFF, 0x0400, 0x0001, 0x83FF, 0x7C00, 0xFC00, 0x7E00, 0xFE01]
            .map(f16::from_bits),
        |x| x.to_bits().into(),
    );
    check(
        &[0x0000, 0x8000, 0x3F80, 0x3DCD, 0x7F7F, 0x0080, 0x0001, 0x807F, 0x7F80, 0xFF80, 0x7FC0, 0xFFC1]
            .map(bf16::from_bits),
        |x| x.to_bits().into(),
    );
}

#[test]
fn integers_and_truth_values_keep_their_bits() {
    check(&[0, 1, -1, i64::MIN, i64::MAX, (1 << 53) + 1], |&x| x as u64);
    check(&[0, 1, -1, i32::MIN, i32::MAX], |&x| x as u64);
    check(&[0, 1, u32::MAX, 1 << 31], |&x| x.into());
    check(&[true, false, false], |&x| x.into());
}

#[test]
fn one_program_holds_constants_of_every_dtype() {
    let arrays: Vec<HostArray> = DType::ALL
        .iter()
        .map(|&dtype| HostArray::from_fn([70], |i| f64::from(u8::from(i % 3 == 1))).cast(dtype).unwrap())
        .collect();
    assert_eq!(returned(&arrays), [arrays.clone(), arrays]);
}
