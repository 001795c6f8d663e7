//! Any bytes: see [`walcast_fuzz::configuration`].
#![cfg_attr(fuzzing, no_main)]

walcast_fuzz::target!("configuration", walcast_fuzz::configuration::check);
