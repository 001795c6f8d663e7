//! Glob: one part of a pattern, a name in which `*` matches any characters.

/// The characters of a name in order; `None` for a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Option<char>>);

impl Glob {
    /// Parses the part at the beginning of `text` and returns it with the rest. Unquoted text is folded to lower case,
    /// as in SQL; in quotes every character is literal.
    pub(super) fn parse(text: &str) -> Result<(Self, &str), &'static str> {
        let mut pieces = Vec::new();
        let rest = match text.strip_prefix('"') {
            Some(quoted) => parse_quoted(quoted, &mut pieces)?,
            None => {
                let end = text.find(['.', '"']).unwrap_or(text.len());
                let (plain, rest) = text.split_at(end);
                for character in plain.chars() {
                    match character {
                        '*' => pieces.push(None),
                        other => pieces.extend(other.to_lowercase().map(Some)),
                    }
                }
                rest
            }
        };
        if pieces.is_empty() {
            Err("a name is empty")
        } else {
            Ok((Self(pieces), rest))
        }
    }

    /// Whether the glob is a name, without `*`.
    pub(super) fn is_literal(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// The name, if the glob is one.
    pub(super) fn literal(&self) -> Option<String> {
        self.0.iter().copied().collect()
    }

    /// Whether the glob matches a whole name.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        // Position after the last `*`, and the end of its match, which can be extended by one character.
        let (mut piece, mut place, mut retry) = (0, 0, None);
        loop {
            match (self.0.get(piece), name.get(place)) {
                (Some(None), _) => {
                    retry = Some((piece + 1, place));
                    piece += 1;
                }
                (Some(Some(wanted)), Some(found)) if wanted == found => {
                    (piece, place) = (piece + 1, place + 1);
                }
                (None, None) => return true,
                _ => match retry {
                    Some((after, covered)) if covered < name.len() => {
                        retry = Some((after, covered + 1));
                        (piece, place) = (after, covered + 1);
                    }
                    _ => return false,
                },
            }
        }
    }
}

fn parse_quoted<'a>(quoted: &'a str, pieces: &mut Vec<Option<char>>) -> Result<&'a str, &'static str> {
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' || characters.next_if(|(_, next)| *next == '"').is_some() {
            pieces.push(Some(character));
        } else {
            return Ok(quoted.get(at + 1..).unwrap_or_default());
        }
    }
    Err("a quote is not closed")
}
