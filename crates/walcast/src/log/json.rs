//! Log lines in JSON: control characters that JSON permits and a terminal would interpret are escaped.

use std::io::{self, Write};

use crate::printable::printable_json;

/// Writer that passes its input through [`printable_json`].
#[derive(Debug)]
pub(super) struct PrintableJson<W>(pub(super) W);

impl<W: Write> Write for PrintableJson<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The caller writes a whole line at a time, as UTF-8.
        self.0
            .write_all(printable_json(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
