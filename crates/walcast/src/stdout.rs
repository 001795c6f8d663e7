//! What commands print: results go to stdout, everything else to stderr.

use std::io::{self, ErrorKind, Write};

/// Stdout, whose reader may go away at any time (`walcast tail … | head`): that is an end, not an error.
#[derive(Debug)]
pub(crate) struct Output<W> {
    writer: W,
}

/// Whether anybody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Somebody does.
    Present,
    /// Nobody does: the command may end, successfully.
    Gone,
}

/// Enough for the lines of one transaction to go out in few system calls.
const BUFFER_BYTES: usize = 64 << 10;

/// The process's stdout.
pub(crate) fn stdout() -> Output<io::BufWriter<io::Stdout>> {
    Output {
        writer: io::BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
    }
}

impl<W: Write> Output<W> {
    /// Prints bytes as they are; they may wait for [`Output::flush`].
    ///
    /// # Errors
    /// Stdout cannot be written to, though it is open (a full disk).
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Reader> {
        present(self.writer.write_all(bytes))
    }

    /// Prints a line; it may wait for [`Output::flush`].
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn line(&mut self, text: &str) -> io::Result<Reader> {
        present(
            self.writer
                .write_all(text.as_bytes())
                .and_then(|()| self.writer.write_all(b"\n")),
        )
    }

    /// Hands on what was printed.
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
    fn a_reader_that_went_away_is_no_error() {
        let mut output = Output {
            writer: Failing(ErrorKind::BrokenPipe),
        };
        assert_eq!(output.line("x").unwrap(), Reader::Gone);
        assert_eq!(output.flush().unwrap(), Reader::Gone);
    }

    #[test]
    fn a_full_disk_is_one() {
        let mut output = Output {
            writer: Failing(ErrorKind::StorageFull),
        };
        assert!(output.write(b"x").is_err());
    }
}
