//! Links the system's OpenBLAS, which holds LAPACK. `OPENBLAS_LIB` names its folder where the linker does not find it.

fn main() {
    println!("cargo::rerun-if-env-changed=OPENBLAS_LIB");
    if let Ok(folder) = std::env::var("OPENBLAS_LIB") {
        println!("cargo::rustc-link-arg=-L{folder}");
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    // As the last argument: the crates that need it come before.
    println!("cargo::rustc-link-arg=-lopenblas");
}
