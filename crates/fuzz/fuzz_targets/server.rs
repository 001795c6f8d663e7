//! Any bytes: see [`walcast_fuzz::server`].
#![cfg_attr(fuzzing, no_main)]

walcast_fuzz::target!("server", walcast_fuzz::server::check);
