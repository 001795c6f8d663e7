//! Any bytes: see [`walcast_fuzz::row`].
#![cfg_attr(fuzzing, no_main)]

walcast_fuzz::target!("row", walcast_fuzz::row::check);
