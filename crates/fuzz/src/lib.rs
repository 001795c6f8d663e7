//! What must hold for any bytes from outside: one function for each way in.
//!
//! ```text
//! fuzz_targets/   libFuzzer asks it, with inputs that it makes from those that reached new code   cargo xtask fuzz
//! corpus/         what it found                                                                   cargo test
//! src/seeds/      what real servers sent, examples and documents                                  both
//! src/tests/      random bytes, and random changes of examples                                    cargo test
//! ```
//!
//! All three ask the same functions, which panic when something does not hold. `docs/fuzzing.md` says what that is.
//!
//! Where the way in is public, its function is here. Where it is private it stays so: the function is in its crate then, in a
//! hidden module `fuzzing` (the server's messages in `walcast-postgres`, the configuration in `walcast`).

pub mod condition;
pub mod configuration;
pub mod copied_row;
pub mod corpus;
pub mod decoder;
pub mod row;
mod run;
pub mod seeds;
pub mod server;

#[cfg(test)]
mod tests;

pub use crate::run::run;

/// Something that any bytes are handed to, and that panics when it does not hold.
pub type Check = fn(&[u8]);

/// Every target by its name, which is that of its binary, its corpus and its module.
pub const TARGETS: [(&str, Check); 6] = [
    ("condition", condition::check),
    ("decoder", decoder::check),
    ("server", server::check),
    ("copied_row", copied_row::check),
    ("row", row::check),
    ("configuration", configuration::check),
];

/// The `main` of a target: libFuzzer's when cargo-fuzz builds it, otherwise [`run`].
#[macro_export]
macro_rules! target {
    ($name:literal, $check:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $check(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::run($name, $check)
        }
    };
}
