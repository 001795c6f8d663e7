//! Trace context of an event, which its application has stored with it.

use walcast_pgoutput::RelationColumn;

use super::part::{Part, wrong};
use crate::column::ColumnContext;
use crate::connect::Kind;
use crate::encode::Scratch;
use crate::error::MapError;
use crate::format::Raw;
use crate::record_buffer::RecordBuffer;
use crate::row::{Row, RowError};
use crate::transaction_context::{TRACE_PARENT, TRACE_STATE, Trace};

/// Column with the context of a span: a `traceparent` of W3C, or Java properties with one, as Debezium's Quarkus extension writes it.
#[derive(Debug)]
pub(super) struct TraceContext {
    part: Part,
}

impl TraceContext {
    pub(super) fn compile(
        columns: &[RelationColumn],
        name: &str,
        around: &ColumnContext<'_>,
    ) -> Result<Self, MapError> {
        let part = Part::compile_raw(columns, name, around)?;
        match part.field().slot.schema.kind == Kind::String {
            true => Ok(Self { part }),
            false => Err(wrong(around, name, "is the trace context, and is not text")),
        }
    }

    /// The context of a row; `None` if it has none, or none that a tracer would accept: a trace costs no event its delivery.
    pub(super) fn of(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<Option<Trace>, RowError> {
        if self.part.is_null(row) {
            return Ok(None);
        }
        let mut text = Vec::new();
        self.part.put::<Raw>(row, scratch, &mut text)?;
        Ok(std::str::from_utf8(&text).ok().and_then(read))
    }
}

/// Adds the headers of a trace to the next record.
pub(super) fn push(trace: &Trace, buffer: &mut RecordBuffer) {
    let state = trace.state.as_deref().map(|state| (TRACE_STATE, state));
    for (name, value) in [(TRACE_PARENT, &*trace.parent)].into_iter().chain(state) {
        buffer.push_header(name, |out| out.extend_from_slice(value.as_bytes()));
    }
}

fn read(text: &str) -> Option<Trace> {
    if let Some(trace) = Trace::of(Some(text.trim().to_owned()), None) {
        return Some(trace);
    }
    let (mut parent, mut state) = (None, None);
    for line in text.lines() {
        let Some((name, value)) = property(line) else {
            continue;
        };
        match name {
            TRACE_PARENT => parent = Some(value),
            TRACE_STATE => state = Some(value),
            _ => {}
        }
    }
    Trace::of(parent, state)
}

/// Name and value of a line of Java properties. A trace context has no character that is escaped in any other way.
fn property(line: &str) -> Option<(&str, String)> {
    let line = line.trim_start();
    if line.starts_with(['#', '!']) {
        return None;
    }
    let end = line.find(['=', ':', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    Some((name, value.replace('\\', "")))
}

#[cfg(test)]
mod tests {
    use super::read;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(text: &str) -> Option<(String, Option<String>)> {
        let trace = read(text)?;
        Some((trace.parent.into(), trace.state.map(Into::into)))
    }

    #[test]
    fn properties_and_a_plain_parent_are_read() {
        let parent = || PARENT.to_owned();
        for (text, state) in [
            (
                format!("#Tue Dec 01 09:00:00 UTC 2026\ntraceparent={PARENT}\n"),
                None,
            ),
            (
                format!("tracestate=a\\=1,b\\=2\r\ntraceparent = {PARENT}"),
                Some("a=1,b=2"),
            ),
            (format!("  traceparent: {PARENT}\n!tracestate=a=1"), None),
            (format!("traceparent {PARENT}\ntracestate="), None),
            (format!(" {PARENT}\n"), None),
        ] {
            assert_eq!(
                headers(&text),
                Some((parent(), state.map(str::to_owned))),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_no_context() {
        for text in [
            "",
            "uber-trace-id=1:2:0:1",
            "traceparent=00-1-2-01",
            "traceparent",
            "tracestate=a=1",
        ] {
            assert_eq!(headers(text), None, "{text}");
        }
    }
}
