//! `walcast dlq list`.

use walcast_mapper::TablePattern;

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
    letters.retain(|(letter, _)| choice.chooses(letter));
    let found = letters.len();
    letters.truncate(limit.unwrap_or(usize::MAX));
    let mut output = stdout();
    for (letter, value) in &letters {
        let printed = match json {
            true => output.line(&String::from_utf8_lossy(value))?,
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
    fn what_is_not_shown_is_counted() {
        assert_eq!(total(0, 0), "no dead letters");
        assert_eq!(total(1, 1), "1 dead letter");
        assert_eq!(total(3, 3), "3 dead letters");
        assert_eq!(total(3, 2), "2 of 3 dead letters");
    }
}
