//! The command line; everything is in [`tandem::cli`].

fn main() -> std::process::ExitCode {
    tandem::cli::main(std::env::args_os())
}
