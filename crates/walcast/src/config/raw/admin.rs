//! Table `[admin]` as it is written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use walcast_mapper::Secret;

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawAdmin {
    pub(crate) listen: String,
    #[serde(skip_serializing)]
    pub(crate) token: Option<Secret>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) client_ca_file: Option<PathBuf>,
    pub(crate) url: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) connect_api: bool,
}

/// Metrics contain table names, so the default accepts local connections only.
const LISTEN: &str = "127.0.0.1:8080";

impl Default for RawAdmin {
    fn default() -> Self {
        Self {
            listen: LISTEN.to_owned(),
            token: None,
            token_file: None,
            allowed_hosts: Vec::new(),
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            url: None,
            ca_file: None,
            connect_api: false,
        }
    }
}
