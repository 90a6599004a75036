//! The files that inputs are read from: each form of the same matrix gives the same bits.

use std::io::{Cursor, Write};

use half::f16;
use tandem::compile::HostArray;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::tool::{Folder, a, npy};

/// The bits of y for the matrix that `input` names, by the reference.
#[track_caller]
fn y(folder: &Folder, input: &str) -> Vec<u8> {
    let run = "run snmf --device reference --set k=2 --set iters=4 --out out --input";
    let answer = folder.tandem_with(&[&run.split(' ').collect::<Vec<_>>()[..], &[&format!("a={input}")]].concat());
    answer.exits(0);
    std::fs::read(folder.path("out/y.npy")).unwrap()
}

/// The elements of the matrix as bytes, in row-major or column-major order.
fn elements<const N: usize>(fortran: bool, bytes: impl Fn(f64) -> [u8; N]) -> Vec<u8> {
    let at = |i| if fortran { i % 6 * 9 + i / 6 } else { i };
    (0..54).flat_map(|i| bytes(a(at(i)))).collect()
}

#[test]
fn every_element_type_and_either_order_is_read() {
    let folder = Folder::with_a();
    let expected = y(&folder, "a.npy");
    for (descr, data) in [
        ("<f4", elements(false, |x| (x as f32).to_le_bytes())),
        (">f8", elements(false, f64::to_be_bytes)),
        ("<f2", elements(false, |x| f16::from_f64(x).to_le_bytes())),
        ("<i4", elements(false, |x| (x as i32).to_le_bytes())),
        ("<i8", elements(false, |x| (x as i64).to_le_bytes())),
    ] {
        folder.bytes("b.npy", &npy(descr, false, "(6, 9)", &data));
        assert_eq!(y(&folder, "b.npy"), expected, "{descr}");
    }
    folder.bytes("b.npy", &npy("<f8", true, "(6, 9)", &elements(true, f64::to_le_bytes)));
    assert_eq!(y(&folder, "b.npy"), expected);
}

#[test]
fn bytes_and_booleans_are_numbers() {
    let folder = Folder::new();
    let bits: Vec<u8> = (0..54).map(|at| u8::from(a(at) > 0.0)).collect();
    folder.array("a.npy", &HostArray::from_fn([6, 9], |at| f64::from(bits[at])));
    let expected = y(&folder, "a.npy");
    for descr in ["|u1", "|b1"] {
        folder.bytes("b.npy", &npy(descr, false, "(6, 9)", &bits));
        assert_eq!(y(&folder, "b.npy"), expected, "{descr}");
    }
}

#[test]
fn a_trailing_t_transposes() {
    let folder = Folder::with_a();
    folder.array("b.npy", &HostArray::from_fn([9, 6], |at| a(at % 6 * 9 + at / 6)));
    assert_eq!(y(&folder, "b.npy^T"), y(&folder, "a.npy"));
}

#[test]
fn arrays_in_archives_are_named_after_a_colon() {
    let folder = Folder::with_a();
    let expected = y(&folder, "a.npy");
    let data = elements(false, |x| (x as f32).to_le_bytes());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["first", "second"] {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        zip.write_all(&npy("<f4", false, "(6, 9)", &data)).unwrap();
    }
    folder.bytes("s.npz", &zip.finish().unwrap().into_inner());
    assert_eq!(y(&folder, "s.npz:second"), expected);
    let header = r#"{"w":{"dtype":"F32","shape":[6,9],"data_offsets":[0,216]}}"#;
    folder.bytes("s.safetensors", &[&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat());
    assert_eq!(y(&folder, "s.safetensors:w"), expected);

    let run = |input| folder.tandem(&format!("run snmf --set k=2 --out none --input a={input}"));
    run("s.npz").refused("first, second");
    run("s.npz:third").refused("it has first, second");
    run("s.safetensors:v").refused("it has w");
}
