//! What the runtime promises, on the CPU plugin that discovery finds.

use half::{bf16, f16};
use tandem_compile::pjrt::{Argument, Buffer, Device, Plugin};
use tandem_compile::{DType, Element, Error, HostArray, TensorType};

fn cpu() -> Device {
    Device::cpu().unwrap_or_else(|error| panic!("{error}"))
}

/// `main` over f32 vectors of 4, its parameters carrying `attributes`.
fn add(attributes: &str) -> String {
    format!(
        "func.func @main(%a: tensor<4xf32> {attributes}, %b: tensor<4xf32>) -> tensor<4xf32> {{
           %c = stablehlo.add %a, %b : tensor<4xf32>
           return %c : tensor<4xf32>
         }}"
    )
}

fn vector(device: &Device, x: f32) -> Buffer {
    device.upload_slice(&[x, x + 1.0, x + 2.0, x + 3.0], &[4]).unwrap()
}

fn values(buffer: &Buffer) -> Vec<f32> {
    buffer.to_host().unwrap().into_values().unwrap()
}

fn sample(dtype: DType, shape: &[usize]) -> HostArray {
    fn fill<T: Element>(shape: &[usize], element: impl FnMut(usize) -> T) -> HostArray {
        HostArray::from_fn(shape, element)
    }
    match dtype {
        DType::F64 => fill(shape, |i| 0.1 + i as f64),
        DType::F32 => fill(shape, |i| 0.1 + i as f32),
        DType::F16 => fill(shape, |i| f16::from_f64(0.1 + i as f64)),
        DType::BF16 => fill(shape, |i| bf16::from_f64(0.1 + i as f64)),
        DType::I64 => fill(shape, |i| i64::MIN + i as i64),
        DType::I32 => fill(shape, |i| i32::MIN + i as i32),
        DType::U32 => fill(shape, |i| u32::MAX - i as u32),
        DType::Bool => fill(shape, |i| i % 3 == 0),
    }
}

#[test]
fn every_dtype_and_shape_comes_back_as_it_went() {
    let device = cpu();
    for dtype in DType::ALL {
        for shape in [&[] as &[usize], &[0], &[3, 0], &[1], &[2, 3, 4]] {
            let array = sample(dtype, shape);
            let buffer = device.upload(&array).unwrap();
            assert_eq!(buffer.ty(), &TensorType::new(dtype, shape));
            assert_eq!(buffer.to_host().unwrap(), array);
        }
    }
}

#[test]
fn results_have_the_type_and_elements_that_the_program_gives_them() {
    let device = cpu();
    for dtype in DType::ALL {
        let ty = format!("tensor<2x3x{}>", dtype.mlir());
        let transposed = format!("tensor<3x2x{}>", dtype.mlir());
        let program = format!(
            "func.func @main(%a: {ty}) -> ({ty}, {transposed}) {{
               %t = stablehlo.transpose %a, dims = [1, 0] : ({ty}) -> {transposed}
               return %a, %t : {ty}, {transposed}
             }}"
        );
        let array = sample(dtype, &[2, 3]);
        let executable = device.compile(&program).unwrap();
        assert_eq!(executable.num_outputs(), 2);
        let results = executable.execute([&device.upload(&array).unwrap()]).unwrap();
        assert_eq!(results[0].to_host().unwrap(), array);
        assert_eq!(results[1].ty(), &TensorType::new(dtype, [3, 2]));
        assert_eq!(results[1].to_host().unwrap(), array.transposed().unwrap());
    }
}

#[test]
fn comparisons_give_rust_bools() {
    let device = cpu();
    let program = "func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xi1> {
        %c = stablehlo.compare LT, %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
        return %c : tensor<4xi1>
      }";
    let (a, b) = (device.upload_slice(&[1f32, 2.0, 3.0, f32::NAN], &[4]).unwrap(), vector(&device, 1.5));
    let less = device.compile(program).unwrap().execute([&a, &b]).unwrap();
    assert_eq!(less[0].to_host().unwrap().values::<bool>().unwrap(), [true, true, true, false]);
}

#[test]
fn a_result_that_the_device_lays_out_column_major_is_read_right() {
    let device = cpu();
    let program = r#"func.func @main(%a: tensor<2x3xf32>) -> (tensor<2x3xf32> {mhlo.layout_mode = "{0,1}"}) {
        %b = stablehlo.add %a, %a : tensor<2x3xf32>
        return %b : tensor<2x3xf32>
      }"#;
    let a = device.upload_slice(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]).unwrap();
    let b = device.compile(program).unwrap().execute([&a]).unwrap();
    assert_eq!(values(&b[0]), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
}

#[test]
fn strided_arrays_arrive_row_major() {
    let device = cpu();
    let elements: Vec<f64> = (0..6).map(f64::from).collect();
    /// Position of the first element, shape, strides, and what arrives.
    type Case = (usize, &'static [usize], &'static [isize], &'static [f64]);
    let cases: [Case; 8] = [
        (0, &[2, 3], &[1, 2], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]),
        (0, &[2, 3], &[3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        (5, &[2, 3], &[-3, -1], &[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]),
        (0, &[2, 2], &[3, 2], &[0.0, 2.0, 3.0, 5.0]),
        (1, &[3], &[2], &[1.0, 3.0, 5.0]),
        (1, &[2, 2], &[0, 1], &[1.0, 2.0, 1.0, 2.0]),
        (0, &[0, 2], &[1, 1], &[]),
        (2, &[], &[], &[2.0]),
    ];
    for (first, shape, strides, expected) in cases {
        // SAFETY: the shapes and strides stay within the six elements.
        let buffer = unsafe { device.upload_strided(elements.as_ptr().add(first), shape, strides) }.unwrap();
        assert_eq!(buffer.to_host().unwrap(), HostArray::new(shape, expected.to_vec()).unwrap());
    }
    // SAFETY: refused before anything is read.
    let error = unsafe { device.upload_strided(elements.as_ptr(), &[2, 3], &[1]) }.unwrap_err();
    assert_eq!(error.to_string(), "shape [2, 3] and strides [1] are not of the same length");
}

#[test]
fn a_slice_has_to_fill_its_shape() {
    let error = cpu().upload_slice(&[1f32; 5], &[2, 3]).unwrap_err().to_string();
    assert!(error.starts_with("5 elements do not make an array of shape [2, 3]"), "{error}");
    assert!(cpu().upload_slice::<f32>(&[], &[usize::MAX, 2]).is_err());
    assert!(cpu().upload_slice::<f32>(&[], &[usize::MAX, 0]).is_err());
}

#[test]
fn a_donated_buffer_is_used_up_and_a_lent_one_is_not() {
    let device = cpu();
    for attributes in ["", "{jax.buffer_donor = true}", "{tf.aliasing_output = 0 : i32}"] {
        let program = device.compile(&add(attributes)).unwrap();
        let (a, b) = (vector(&device, 1.0), vector(&device, 10.0));
        let lent = program.execute([&a, &b]).unwrap();
        assert_eq!(values(&lent[0]), [11.0, 13.0, 15.0, 17.0]);
        assert_eq!(values(&a), [1.0, 2.0, 3.0, 4.0]);
        let given = program.execute([Argument::from(a), Argument::from(&b)]).unwrap();
        assert_eq!(values(&given[0]), [11.0, 13.0, 15.0, 17.0]);
        assert_eq!(values(&b), [10.0, 11.0, 12.0, 13.0]);
    }
}

#[test]
fn a_donated_result_can_be_donated_again() {
    let device = cpu();
    let program = device.compile(&add("{jax.buffer_donor = true}")).unwrap();
    let step = vector(&device, 1.0);
    let mut sum = vector(&device, 0.0);
    for _ in 0..100 {
        sum = program.execute([Argument::from(sum), Argument::from(&step)]).unwrap().remove(0);
    }
    assert_eq!(values(&sum), [100.0, 201.0, 302.0, 403.0]);
}

#[test]
fn the_same_buffer_may_be_lent_twice() {
    let device = cpu();
    let a = vector(&device, 1.0);
    let doubled = device.compile(&add("{jax.buffer_donor = true}")).unwrap().execute([&a, &a]).unwrap();
    assert_eq!(values(&doubled[0]), [2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn one_executable_runs_in_many_threads() {
    let device = cpu();
    let program = device.compile(&add("")).unwrap();
    let shared = vector(&device, 100.0);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let (device, program, shared) = (device.clone(), program.clone(), &shared);
            scope.spawn(move || {
                let x = f32::from(thread);
                for _ in 0..200 {
                    let sum = program.execute([&vector(&device, x), shared]).unwrap();
                    assert_eq!(values(&sum[0]), [x + 100.0, x + 102.0, x + 104.0, x + 106.0]);
                }
            });
        }
    });
}

#[test]
fn results_outlive_the_executable_and_can_be_waited_for() {
    let device = cpu();
    let n = 300;
    let ty = format!("tensor<{n}x{n}xf32>");
    let program = format!(
        "func.func @main(%a: {ty}) -> {ty} {{
           %b = stablehlo.dot_general %a, %a, contracting_dims = [1] x [0] : ({ty}, {ty}) -> {ty}
           return %b : {ty}
         }}"
    );
    let a = device.upload_slice(&vec![1f32; n * n], &[n, n]).unwrap();
    let b = device.compile(&program).unwrap().execute([a]).unwrap();
    b[0].wait().unwrap();
    assert!(b[0].ready().unwrap());
    assert_eq!(values(&b[0]), vec![n as f32; n * n]);
}

#[test]
fn arguments_that_the_program_does_not_take_are_refused() {
    let device = cpu();
    let program = device.compile(&add("")).unwrap();
    let (a, short) = (vector(&device, 1.0), device.upload_slice(&[1f32; 3], &[3]).unwrap());
    let ints = device.upload_slice(&[1i32; 4], &[4]).unwrap();
    let refused = |arguments: &[&Buffer]| program.execute(arguments.iter().copied()).unwrap_err().to_string();
    assert_eq!(refused(&[&a]), "the program takes 2 arguments, not 1");
    assert_eq!(refused(&[]), "the program takes 2 arguments, not 0");
    assert_eq!(refused(&[&a, &a, &a]), "the program takes 2 arguments, not 3");
    assert_eq!(refused(&[&a, &short]), "argument 1 of the program is f32[4], and f32[3] was given");
    assert_eq!(refused(&[&ints, &a]), "argument 0 of the program is f32[4], and i32[4] was given");
}

#[test]
fn the_plugin_checks_the_arguments_of_a_program_whose_text_is_not_understood() {
    let device = cpu();
    let program = r#"module {
        "func.func"() <{function_type = (tensor<4xf32>) -> tensor<4xf32>, sym_name = "main"}> ({
        ^bb0(%a: tensor<4xf32>):
          "func.return"(%a) : (tensor<4xf32>) -> ()
        }) : () -> ()
      }"#;
    let program = device.compile(program).unwrap();
    let (a, short) = (vector(&device, 1.0), device.upload_slice(&[1f32; 3], &[3]).unwrap());
    assert_eq!(values(&program.execute([&a]).unwrap()[0]), [1.0, 2.0, 3.0, 4.0]);
    for arguments in [&[&a, &a][..], &[&short][..], &[][..]] {
        let error = program.execute(arguments.iter().copied()).unwrap_err();
        assert!(matches!(error, Error::Runtime { code: "INVALID_ARGUMENT", .. }), "{error}");
    }
}

#[test]
fn a_malformed_module_is_an_error_in_the_plugins_words() {
    let error = cpu().compile("func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> { garbage }").unwrap_err();
    let Error::Runtime { call: "PJRT_Client_Compile", message, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains("garbage"), "{message}");
    assert!(cpu().compile("").is_err());
}

#[test]
fn a_result_without_a_rust_type_is_an_error() {
    let device = cpu();
    let program = "func.func @main(%a: tensor<4xf32>) -> tensor<4xi8> {
        %b = stablehlo.convert %a : (tensor<4xf32>) -> tensor<4xi8>
        return %b : tensor<4xi8>
      }";
    let error = device.compile(program).unwrap().execute([&vector(&device, 1.0)]).unwrap_err();
    assert!(error.to_string().starts_with("a result has elements of PJRT type 2"), "{error}");
}

#[test]
fn a_file_that_is_not_a_plugin_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let opened = |path: &std::path::Path| Device::open(path).unwrap_err().to_string();

    let missing = opened(&folder.path().join("missing.so"));
    assert!(missing.contains("missing.so: No such file") && missing.ends_with("check the path"), "{missing}");
    assert!(opened(folder.path()).contains("is a folder"));

    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    assert!(opened(&text).contains("text.so is not a shared library"), "{}", opened(&text));

    let broken = folder.path().join("broken.so");
    std::fs::write(&broken, b"\x7fELF and then nothing").unwrap();
    assert!(opened(&broken).contains("broken.so cannot be loaded"), "{}", opened(&broken));
}

/// The C library is loaded in this process: a shared library, and no plugin.
#[test]
#[cfg(target_os = "linux")]
fn a_shared_library_that_is_not_a_plugin_is_told_from_one() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.split_whitespace().find(|word| word.contains("/libc.so") || word.contains("/ld-")).unwrap();
    let error = Plugin::open(libc).unwrap_err().to_string();
    assert!(error.ends_with("is not a PJRT plugin: it is a shared library, but has no function GetPjrtApi"), "{error}");
}

#[test]
fn a_plugin_is_opened_once_and_says_what_it_is() {
    let device = cpu();
    let plugin = device.plugin();
    assert!(std::ptr::eq(plugin, Plugin::open(plugin.path()).unwrap()));
    assert_eq!(plugin.api_version().0, 0);
    assert!(plugin.attribute("stablehlo_current_version").is_some_and(|version| version.contains('.')));
    assert_eq!(device, Device::open(plugin.path()).unwrap());
    assert_eq!((device.name(), device.platform()), ("cpu", "cpu"));
    assert!(!device.kind().is_empty());
}
