//! Standard output of commands: results are printed to stdout, everything else to stderr.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::printable::{printable, printable_json};

/// Stdout, whose reader may close it at any time (`walcast tail … | head`): that ends the command and is not an error.
#[derive(Debug)]
pub(crate) struct Output<W> {
    writer: W,
}

/// State of the reader of stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Stdout is open.
    Present,
    /// The reader closed stdout: the command may end successfully.
    Gone,
}

/// Buffer size: the lines of one transaction are written in few system calls.
const BUFFER_BYTES: usize = 64 << 10;

/// The process's stdout.
pub(crate) fn stdout() -> Output<io::BufWriter<io::Stdout>> {
    Output {
        writer: io::BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
    }
}

impl<W: Write> Output<W> {
    /// Prints bytes unchanged, such as a script; they may stay buffered until [`Output::flush`].
    ///
    /// # Errors
    /// Stdout cannot be written to, though it is open (a full disk).
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Reader> {
        present(self.writer.write_all(bytes))
    }

    /// Prints a text as one line; it may stay buffered until [`Output::flush`].
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn line(&mut self, text: &str) -> io::Result<Reader> {
        self.ended(&printable(text))
    }

    /// Prints each text as one line; the lines may stay buffered until [`Output::flush`].
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn lines<L: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = L>) -> io::Result<Reader> {
        for line in lines {
            if self.line(line.as_ref())? == Reader::Gone {
                return Ok(Reader::Gone);
            }
        }
        Ok(Reader::Present)
    }

    /// Prints a value as indented JSON; it may stay buffered until [`Output::flush`].
    ///
    /// # Errors
    /// As [`Output::write`]; the value cannot be serialized to JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<Reader> {
        let json = serde_json::to_string_pretty(value)?;
        Ok(self.ended(&printable_json(&json))?)
    }

    /// Prints JSON lines; they may stay buffered until [`Output::flush`].
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn json_lines(&mut self, lines: &[u8]) -> io::Result<Reader> {
        match std::str::from_utf8(lines) {
            Ok(lines) => self.write(printable_json(lines).as_bytes()),
            Err(_) => self.write(printable_json(&String::from_utf8_lossy(lines)).as_bytes()),
        }
    }

    fn ended(&mut self, line: &str) -> io::Result<Reader> {
        present(
            self.writer
                .write_all(line.as_bytes())
                .and_then(|()| self.writer.write_all(b"\n")),
        )
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn flush(&mut self) -> io::Result<Reader> {
        present(self.writer.flush())
    }
}

fn present(result: io::Result<()>) -> io::Result<Reader> {
    match result {
        Ok(()) => Ok(Reader::Present),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_stdout_is_no_error() {
        let mut output = Output {
            writer: Failing(ErrorKind::BrokenPipe),
        };
        assert_eq!(output.line("x").unwrap(), Reader::Gone);
        assert_eq!(output.flush().unwrap(), Reader::Gone);
    }

    #[test]
    fn a_value_forges_no_line() {
        let mut output = Output { writer: Vec::new() };
        output.lines(["FAIL  a\nok    b", "c\u{1b}[31m"]).unwrap();
        output.json(&["d\n\u{202e}\u{9b}"]).unwrap();
        output.json_lines("{\"e\":\"\u{202e}\"}\n".as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(output.writer).unwrap(),
            "FAIL  a\\nok    b\nc\\u{1b}[31m\n[\n  \"d\\n\\u202e\\u009b\"\n]\n{\"e\":\"\\u202e\"}\n"
        );
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut output = Output {
            writer: Failing(ErrorKind::StorageFull),
        };
        assert!(output.write(b"x").is_err());
    }
}
