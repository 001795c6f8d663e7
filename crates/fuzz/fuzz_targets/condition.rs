//! Any bytes: see [`walcast_fuzz::condition`].
#![cfg_attr(fuzzing, no_main)]

walcast_fuzz::target!("condition", walcast_fuzz::condition::check);
