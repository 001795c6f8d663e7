//! Confirmation of a change by the user.

use std::io::{self, BufRead, IsTerminal, Write};

/// Asks for confirmation on the terminal; without a terminal, the answer is no.
pub(super) fn is_confirmed(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
