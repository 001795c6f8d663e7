//! `walcast dlq list`: prints dead letters.

use walcast_mapper::pattern::TablePattern;

use super::letter::{Choice, count, listed};
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::{Reader, stdout};

pub(super) async fn list(
    config: &Config,
    tables: Vec<TablePattern>,
    limit: Option<usize>,
    json: bool,
) -> anyhow::Result<Exit> {
    let mut letters = listed(config).await?;
    let choice = Choice {
        tables,
        ids: Vec::new(),
    };
    letters.retain(|(letter, _)| choice.selects(letter));
    let found = letters.len();
    letters.truncate(limit.unwrap_or(usize::MAX));
    let mut output = stdout();
    for (letter, value) in &letters {
        let printed = match json {
            true => output.json_lines(&on_one_line(value))?,
            false => output.line(&letter.line())?,
        };
        if printed == Reader::Gone {
            return Ok(Exit::Done);
        }
    }
    if !json {
        output.line(&total(found, letters.len()))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// Dead letter as a single line with a final line break: line breaks between JSON tokens become spaces.
fn on_one_line(value: &[u8]) -> Vec<u8> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let parts = value.iter().map(|byte| if is_break(byte) { b' ' } else { *byte });
    parts.chain([b'\n']).collect()
}

fn total(found: usize, shown: usize) -> String {
    match (found, shown) {
        (0, _) => "no dead letters".to_owned(),
        _ if found == shown => count(found),
        _ => format!("{shown} of {found} dead letters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_one_line_of_json() {
        assert_eq!(on_one_line(b"{\r\n\"id\":\n1}"), b"{  \"id\": 1}\n");
    }

    #[test]
    fn the_total_includes_dead_letters_beyond_the_limit() {
        assert_eq!(total(0, 0), "no dead letters");
        assert_eq!(total(1, 1), "1 dead letter");
        assert_eq!(total(3, 3), "3 dead letters");
        assert_eq!(total(3, 2), "2 of 3 dead letters");
    }
}
