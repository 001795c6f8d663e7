//! Any bytes: see [`walcast_fuzz::copied_row`].
#![cfg_attr(fuzzing, no_main)]

walcast_fuzz::target!("copied_row", walcast_fuzz::copied_row::check);
