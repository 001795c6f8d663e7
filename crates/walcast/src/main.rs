//! `walcast`: everything is in the library, so that it can be asked without the program too.

use std::process::ExitCode;

fn main() -> ExitCode {
    walcast::main()
}
