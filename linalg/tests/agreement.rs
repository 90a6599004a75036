//! Every operation agrees with its reference, on random problems and on the gallery.

use tandem_compile::DType;
use tandem_compile::pjrt::Device;
use tandem_linalg::operation::{Operation, OperationSubject};
use tandem_verify::{Compiled, Options, check};

/// Graph and reference, and the reference with its own oracle.
fn agree(operations: &[Operation], dtype: DType) {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    for &operation in operations {
        let options = Options { dtype, cases: 12, seed: 1, regressions: None };
        let certificate = check(&OperationSubject(operation), Some(&Compiled::on(&device)), &options);
        assert!(certificate.agreed, "{}: {:?}", operation.name(), certificate.counterexample);
    }
}

#[test]
fn in_f64() {
    agree(&Operation::ALL, DType::F64);
}

#[test]
fn in_f32() {
    agree(&Operation::ALL, DType::F32);
}
