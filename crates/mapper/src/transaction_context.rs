//! Context of a transaction: what the application says about it (who, why, on behalf of which request), as headers of its changes.
//!
//! The text is passed on as the application wrote it. It is parsed for two reasons only: consumers may rely on an object in JSON,
//! and the trace context of W3C is sent in the headers where OpenTelemetry looks for it.

mod rule;
mod trace;

use serde::Deserialize;
use serde_json::Value;

pub use self::rule::ContextRule;
pub(crate) use self::trace::Trace;
use crate::record_buffer::RecordBuffer;

/// Header that holds the context.
pub const CONTEXT_HEADER: &str = "walcast.context";
const ERROR: &str = "walcast.context.error";
pub(crate) const TRACE_PARENT: &str = "traceparent";
pub(crate) const TRACE_STATE: &str = "tracestate";

/// Context of a transaction, or the reason why a context cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionContext(Content);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Known { json: Box<str>, trace: Option<Trace> },
    Unusable(ContextError),
}

/// Reason why a context is not sent. The changes of the transaction are delivered without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContextError {
    /// The content of the message is larger than the configured limit.
    TooLarge,
    /// The content is not JSON.
    NotJson,
    /// The content is JSON, but not an object.
    NotAnObject,
    /// The record exceeds the limits of Kafka only because of the context.
    RecordTooLarge,
}

impl ContextError {
    /// The reason in headers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::RecordTooLarge => "record_too_large",
        }
    }
}

/// Context of a record that has no room for it.
static RECORD_TOO_LARGE: TransactionContext =
    TransactionContext(Content::Unusable(ContextError::RecordTooLarge));

/// Members that have headers of their own. Other members are checked, but not kept.
#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    traceparent: Option<Value>,
    #[serde(default)]
    tracestate: Option<Value>,
}

impl TransactionContext {
    /// Reads the content of a message.
    #[must_use]
    pub fn read(content: &[u8], bytes_max: usize) -> Self {
        Self(Content::read(content, bytes_max).unwrap_or_else(Content::Unusable))
    }

    /// Reason why the context is not sent; `None` for a usable one.
    #[must_use]
    pub fn error(&self) -> Option<ContextError> {
        match &self.0 {
            Content::Known { .. } => None,
            Content::Unusable(error) => Some(*error),
        }
    }

    /// Context of the records that have no room for this one; `None` if this one takes no room.
    pub(crate) fn without_room(&self) -> Option<&'static Self> {
        self.error().is_none().then_some(&RECORD_TOO_LARGE)
    }

    /// Headers, in order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (context, error, trace) = match &self.0 {
            Content::Known { json, trace } => (Some(&**json), None, trace.as_ref()),
            Content::Unusable(error) => (None, Some(error.as_str()), None),
        };
        let parent = trace.map(|trace| &*trace.parent);
        let state = trace.and_then(|trace| trace.state.as_deref());
        let all = [
            (CONTEXT_HEADER, context),
            (TRACE_PARENT, parent),
            (TRACE_STATE, state),
            (ERROR, error),
        ];
        all.into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
    }

    /// Size of the headers with their names.
    pub(crate) fn header_bytes(&self) -> usize {
        self.headers().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Adds the headers to the record that is written, with the trace or without it.
    pub(crate) fn push(&self, has_trace: bool, buffer: &mut RecordBuffer) {
        let is_pushed = |name: &str| has_trace || name != TRACE_PARENT && name != TRACE_STATE;
        for (name, value) in self.headers().filter(|(name, _)| is_pushed(name)) {
            buffer.push_header(name, |out| out.extend_from_slice(value.as_bytes()));
        }
    }
}

impl Content {
    fn read(content: &[u8], bytes_max: usize) -> Result<Self, ContextError> {
        if content.len() > bytes_max {
            return Err(ContextError::TooLarge);
        }
        let json = std::str::from_utf8(content).map_err(|_| ContextError::NotJson)?;
        // Serde reads an array as the members of a struct, too.
        if !json.trim_start().starts_with('{') {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
            return Err(match is_json {
                true => ContextError::NotAnObject,
                false => ContextError::NotJson,
            });
        }
        let members: Members = serde_json::from_str(json).map_err(|_| ContextError::NotJson)?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        Ok(Self::Known {
            json: json.into(),
            trace: Trace::of(
                text(members.traceparent.as_ref()),
                text(members.tracestate.as_ref()),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ContextError, TransactionContext};

    const LIMIT: usize = 200;
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(content: &str) -> Vec<(&'static str, String)> {
        let context = TransactionContext::read(content.as_bytes(), LIMIT);
        let headers = context.headers().map(|(name, value)| (name, value.to_owned()));
        headers.collect()
    }

    fn error(content: &[u8]) -> Option<ContextError> {
        TransactionContext::read(content, LIMIT).error()
    }

    #[test]
    fn an_object_is_sent_as_it_is() {
        for json in [r#"{"user":"anna"}"#, "{}", " {\"a\" :1e999 ,\n\"é\": [null]} "] {
            assert_eq!(headers(json), [("walcast.context", json.to_owned())]);
        }
    }

    #[test]
    fn a_trace_has_headers_of_its_own() {
        let json = format!(r#"{{"tracestate":"a=1,b=2","traceparent":"{PARENT}","user":1}}"#);
        let expected = [
            ("walcast.context", json.clone()),
            ("traceparent", PARENT.to_owned()),
            ("tracestate", "a=1,b=2".to_owned()),
        ];
        assert_eq!(headers(&json), expected);
    }

    #[test]
    fn an_invalid_trace_is_part_of_the_context_only() {
        for json in [
            r#"{"traceparent":"00-1-2-3","tracestate":"a=1"}"#,
            r#"{"traceparent":17}"#,
            r#"{"traceparent":null,"tracestate":null}"#,
            r#"{"tracestate":"a=1"}"#,
            r#"{"nested":{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}"#,
        ] {
            assert_eq!(headers(json), [("walcast.context", json.to_owned())]);
        }
    }

    #[test]
    fn rejects_content_that_is_no_object() {
        for text in [
            "",
            "no",
            "{",
            r#"{"a":}"#,
            "{} {}",
            "{\"a\":\"\n\"}",
            "[1",
            r#"{"a":"\x"}"#,
        ] {
            assert_eq!(error(text.as_bytes()), Some(ContextError::NotJson), "{text:?}");
        }
        for text in ["null", "1", "\"{}\"", "[]", r#"["00-1","x"]"#] {
            assert_eq!(
                error(text.as_bytes()),
                Some(ContextError::NotAnObject),
                "{text:?}"
            );
        }
        assert_eq!(error(b"{\"a\":\"\xff\"}"), Some(ContextError::NotJson));
        let reason = "not_json".to_owned();
        assert_eq!(headers("{"), [("walcast.context.error", reason)]);
    }

    #[test]
    fn the_limit_is_allowed_and_one_byte_more_is_not() {
        let of = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
        assert_eq!(error(of(LIMIT).as_bytes()), None);
        assert_eq!(error(of(LIMIT + 1).as_bytes()), Some(ContextError::TooLarge));
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        let context = TransactionContext::read(deep.as_bytes(), deep.len());
        assert_eq!(context.error(), Some(ContextError::NotJson));
    }
}
