//! Settings of the context of transactions.

/// Settings of `[context]`: the logical decoding messages by which an application describes its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextConfig {
    /// Prefixes of the messages that set the context of their transaction; none: no transaction has a context.
    pub prefixes: Vec<String>,
    /// Prefixes of the messages that remove it.
    pub clear_prefixes: Vec<String>,
    /// Limit of the size of a context.
    pub bytes_max: usize,
}

/// The prefix of walcast, that of Sequin's annotations, and that of Bemi.
const PREFIXES: [&str; 3] = ["walcast.context", "sequin:transaction_annotations.set", "_bemi"];
/// The prefixes of walcast and of Sequin.
const CLEAR_PREFIXES: [&str; 2] = ["walcast.context.clear", "sequin:transaction_annotations.clear"];
/// Each record of the transaction contains the context; a user, a reason and a trace are some hundred bytes.
const BYTES_MAX: usize = 4 << 10;

impl Default for ContextConfig {
    fn default() -> Self {
        Self {
            prefixes: PREFIXES.map(str::to_owned).to_vec(),
            clear_prefixes: CLEAR_PREFIXES.map(str::to_owned).to_vec(),
            bytes_max: BYTES_MAX,
        }
    }
}
