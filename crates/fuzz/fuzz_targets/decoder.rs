//! Any bytes: see [`walcast_fuzz::decoder`].
#![cfg_attr(fuzzing, no_main)]

walcast_fuzz::target!("decoder", walcast_fuzz::decoder::check);
