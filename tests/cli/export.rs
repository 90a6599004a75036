//! `tandem export`: one function of the inputs, with everything else a constant.

use tandem::compile::HostArray;

use crate::tool::Folder;

#[test]
fn a_module_is_one_function_of_the_inputs_with_all_outputs() {
    let folder = Folder::with_a();
    let export = "export snmf --input a=f32[6,9] --set k=2 --set iters=7 --set top=4 --out";
    let answer = folder.tandem(&format!("{export} a.mlir")).exits(0);
    assert_eq!(answer.err, "");
    let text = folder.text("a.mlir");
    assert_eq!(text.matches("func.func").count(), text.matches("func.func public @main").count());
    assert_eq!(text.matches("@main(").count(), 1);
    let results = "tensor<6x2xf32>, tensor<2x9xf32>, tensor<7xf32>, tensor<i32>, tensor<2x4xi32>";
    assert!(text.contains(&format!("@main(%arg0: tensor<6x9xf32>) -> ({results})")), "{}", &text[..300]);
    assert!(!text.contains("custom_call") && text.contains("loc("));
    assert!(text.contains("HIGHEST"));

    folder.tandem(&format!("{export} below/b.mlir")).exits(0);
    assert_eq!(folder.text("below/b.mlir"), text);
    let from_file = export.replace("f32[6,9]", "a.npy");
    folder.tandem(&format!("{from_file} a.mlir")).exits(0);
    assert_eq!(folder.text("a.mlir"), text);
    assert_eq!(folder.names(""), ["a.mlir", "a.npy", "below"]);
}

#[test]
fn every_stage_of_a_program_is_written() {
    let folder = Folder::with_a();
    let export = "export snmf --input a=f32[6,9] --set k=2 --set iters=3";
    folder.tandem(&format!("{export} --emit graph --out a.graph")).exits(0);
    assert!(folder.text("a.graph").starts_with("graph (%0: f32[6,9]) -> "));
    folder.tandem(&format!("{export} --emit stablehlo --out a.mlir")).exits(0);
    assert!(folder.text("a.mlir").starts_with("module @main"));
    folder.tandem(&format!("{export} --emit optimized --out a.hlo")).exits(0);
    assert!(folder.text("a.hlo").starts_with("HloModule"));
}

#[test]
fn arguments_come_in_the_order_of_list_and_in_the_precision_asked_for() {
    let folder = Folder::new();
    folder.array("y0.npy", &HostArray::from_fn([2, 9], |_| 1i32));
    let export = "export snmf --input y0=y0.npy --input a=f64[6,9] --set k=2 --set init=svd --dtype f64 --out a.mlir";
    folder.tandem(export).exits(0);
    let text = folder.text("a.mlir");
    assert!(text.contains("@main(%arg0: tensor<6x9xf64>, %arg1: tensor<2x9xf64>)"), "{}", &text[..300]);
    assert!(!text.contains("custom_call") && !text.contains("f32>"));
    folder.tandem("export snmf-transform --input z=f32[6,2] --input a=f32[6,9] --out a.mlir").exits(0);
    let results = "-> (tensor<2x9xf32>, tensor<200xf32>)";
    let signature = format!("@main(%arg0: tensor<6x9xf32>, %arg1: tensor<6x2xf32>) {results}");
    assert!(folder.text("a.mlir").contains(&signature));
}

#[test]
fn a_seed_is_part_of_the_module() {
    let folder = Folder::new();
    let module = |seed: u64, init: &str| {
        let export =
            format!("export snmf --input a=f32[6,9] --set k=2 --set seed={seed} --set init={init} --out a.mlir");
        folder.tandem(&export).exits(0);
        folder.text("a.mlir")
    };
    assert_ne!(module(1, "random"), module(2, "random"));
    assert_ne!(module(1, "random"), module(1, "kmeans"));
}

#[test]
fn a_program_for_a_larger_machine_than_this_one_can_be_written() {
    let folder = Folder::new();
    folder.tandem("export snmf --input a=f32[2000000,2000000] --set k=100 --out a.mlir").exits(0);
    assert!(folder.text("a.mlir").contains("%arg0: tensor<2000000x2000000xf32>"));
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_written() {
    let folder = Folder::with_a();
    folder.bytes("file", b"kept");
    for (arguments, says) in [
        ("--input a=f64[6,9] --set k=2", "write f32[6,9], or choose --dtype"),
        ("--input a=i32[6,9] --set k=2", "write f32[6,9]"),
        ("--input a=f32[6,9] --set k=2 --dtype f64", "write f64[6,9]"),
        ("--input a=f32[6,9] --set k=2 --set init=svd", "--set iters=0"),
        ("--input a=f32[6,9] --input y0=f32[3,9] --set k=2", "expected [k, n] = [2, 9]"),
        ("--input a=f32[6,9 --set k=2", "a type is written f32[768,512]"),
        ("--input a=f32[6] --set k=2", "matrix [d, n]"),
        ("--input a=f32[] --set k=2", "matrix [d, n]"),
        ("--input a=f32[0,9] --set k=2", "a is empty"),
        ("--input a=f32[-6,9] --set k=2", "f32[-6,9]"),
        ("--input a=f32[3000000000,9] --set k=2", "at most 2147483647"),
        ("--input a=f32[99999999999,99999999999] --set k=2", "f32[99999999999,99999999999]"),
        ("--input a=b.npy --set k=2", "no such file"),
        ("--input a=f32[6,9]", "k must be set"),
        ("--set k=2", "the input a is missing"),
    ] {
        folder.tandem(&format!("export snmf {arguments} --out out.mlir")).refused(says);
    }
    for (out, says) in [
        ("file/out.mlir", "file: this is a file"),
        ("/proc/out.mlir", "/proc: results cannot be written here"),
        ("/dev/null", "no regular file"),
        (".", "names no file"),
    ] {
        folder.tandem(&format!("export snmf --input a=f32[6,9] --set k=2 --out {out}")).refused(says);
    }
    assert_eq!(folder.names(""), ["a.npy", "file"]);
    assert_eq!(folder.text("file"), "kept");
}
