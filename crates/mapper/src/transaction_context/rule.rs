//! Rule by which messages give the changes of a transaction their context.

use super::{ContextError, TransactionContext};
use crate::config::ContextConfig;

/// Context of the open transaction, from the messages read so far.
///
/// A message sets the context of the changes that follow it in its transaction, and replaces the context before it, also if its
/// own cannot be sent. The context is a function of the transaction up to the change and of the configuration: a transaction that
/// is read again gives each change the same one.
#[derive(Debug)]
pub struct ContextRule {
    prefixes: Vec<String>,
    clear_prefixes: Vec<String>,
    bytes_max: usize,
    current: Option<TransactionContext>,
}

impl ContextRule {
    /// Creates the rule; no transaction is open.
    #[must_use]
    pub fn new(config: &ContextConfig) -> Self {
        Self {
            prefixes: config.prefixes.clone(),
            clear_prefixes: config.clear_prefixes.clone(),
            bytes_max: config.bytes_max,
            current: None,
        }
    }

    /// Begins a transaction, which has no context.
    pub fn begin(&mut self) {
        self.current = None;
    }

    /// Reads a message of the open transaction. Returns the reason if the message sets a context that cannot be sent.
    pub fn read(&mut self, prefix: &str, content: &[u8]) -> Option<ContextError> {
        let is_one_of = |prefixes: &[String]| prefixes.iter().any(|one| one == prefix);
        if is_one_of(&self.prefixes) {
            let context = TransactionContext::read(content, self.bytes_max);
            let error = context.error();
            self.current = Some(context);
            return error;
        }
        if self.current.is_some() && is_one_of(&self.clear_prefixes) {
            self.current = None;
        }
        None
    }

    /// Context of the next change.
    #[inline]
    #[must_use]
    pub fn current(&self) -> Option<&TransactionContext> {
        self.current.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::ContextRule;
    use crate::config::ContextConfig;
    use crate::transaction_context::ContextError;

    fn rule() -> ContextRule {
        ContextRule::new(&ContextConfig::default())
    }

    /// The only header of the context.
    fn current(rule: &ContextRule) -> Option<(&'static str, String)> {
        let mut headers = rule.current()?.headers();
        let only = headers.next().map(|(name, value)| (name, value.to_owned()));
        assert_eq!(headers.next(), None);
        only
    }

    fn is(json: &str) -> Option<(&'static str, String)> {
        Some(("walcast.context", json.to_owned()))
    }

    #[test]
    fn messages_of_every_prefix_replace_the_context_until_it_is_cleared() {
        let mut rule = rule();
        assert_eq!(current(&rule), None);
        let set = ["walcast.context", "sequin:transaction_annotations.set", "_bemi"];
        for (number, prefix) in set.iter().enumerate() {
            let json = format!(r#"{{"number":{number}}}"#);
            assert_eq!(rule.read(prefix, json.as_bytes()), None);
            assert_eq!(current(&rule), is(&json));
        }
        for clear in ["walcast.context.clear", "sequin:transaction_annotations.clear"] {
            assert_eq!(rule.read("walcast.context", b"{}"), None);
            assert_eq!(rule.read(clear, b"ignored"), None);
            assert_eq!(current(&rule), None);
        }
    }

    #[test]
    fn other_messages_change_nothing() {
        let mut rule = rule();
        rule.read("walcast.context", b"{}");
        for prefix in [
            "walcast",
            "walcast.context.",
            "Walcast.Context",
            "_bemi_heartbeat",
            "",
        ] {
            assert_eq!(rule.read(prefix, b"no"), None);
            assert_eq!(current(&rule), is("{}"));
        }
    }

    #[test]
    fn a_context_that_cannot_be_sent_replaces_the_one_before() {
        let mut rule = rule();
        rule.read("walcast.context", b"{}");
        assert_eq!(rule.read("walcast.context", b"{"), Some(ContextError::NotJson));
        let expected = ("walcast.context.error", "not_json".to_owned());
        assert_eq!(current(&rule), Some(expected));
        rule.read("walcast.context", b"{}");
        assert_eq!(current(&rule), is("{}"));
    }

    #[test]
    fn the_context_ends_with_the_transaction() {
        let mut rule = rule();
        rule.read("walcast.context", b"{}");
        rule.begin();
        assert_eq!(current(&rule), None);
    }

    #[test]
    fn without_prefixes_there_is_no_context() {
        let mut rule = ContextRule::new(&ContextConfig {
            prefixes: Vec::new(),
            ..ContextConfig::default()
        });
        assert_eq!(rule.read("walcast.context", b"{"), None);
        assert_eq!(current(&rule), None);
    }
}
