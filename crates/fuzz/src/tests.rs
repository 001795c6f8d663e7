//! The targets without a fuzzer.

mod random;
mod replay;
