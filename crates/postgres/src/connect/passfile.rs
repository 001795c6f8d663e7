//! `~/.pgpass`: lines `host:port:database:user:password`, `*` for any, `\` before `:` and `\`.
//!
//! See <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tracing::warn;
use walcast_mapper::Secret;

/// Connection for which a password is looked up.
pub(super) struct PasswordQuery<'a> {
    /// Host name or socket directory; `localhost` stands for the default socket directories.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Mode bits that give access to users other than the owner.
const OTHERS: u32 = 0o077;

/// Password of the first matching line of the file. A file that other users can read is not used, as in libpq; a missing or
/// unreadable file has no password.
pub(super) fn look_up(path: &Path, wanted: &PasswordQuery<'_>) -> Option<Secret> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(path = %path.display(), %error, "password file is not used");
            return None;
        }
    };
    if !metadata.is_file() {
        warn!(path = %path.display(), "password file is not used: it is not a plain file");
        return None;
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        warn!(path = %path.display(), "password file is not used: other users can read it; run chmod 0600 on it");
        return None;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => find(&text, wanted),
        Err(error) => {
            warn!(path = %path.display(), %error, "password file is not used");
            None
        }
    }
}

fn find(text: &str, wanted: &PasswordQuery<'_>) -> Option<Secret> {
    let port = wanted.port.to_string();
    let wanted = [wanted.host, &port, wanted.database, wanted.user];
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut rest = line;
            for want in wanted {
                let (field, after) = field(rest)?;
                if field != "*" && unescape(field) != want {
                    return None;
                }
                rest = after;
            }
            Some(Secret::new(unescape(rest)))
        })
}

/// Escaped text before the next unescaped `:`, and the text after it.
fn field(text: &str) -> Option<(&str, &str)> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            ':' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            plain.extend(characters.next());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::{PasswordQuery, find, look_up};

    fn check(text: &str, expected: Option<&str>) {
        let wanted = PasswordQuery {
            host: "db",
            port: 5432,
            database: "sh:op",
            user: "walcast",
        };
        let found = find(text, &wanted);
        assert_eq!(
            found.as_ref().map(|secret| secret.reveal()),
            expected,
            "in {text:?}"
        );
    }

    #[test]
    fn first_matching_line_counts() {
        check("db:5432:sh\\:op:walcast:one\n*:*:*:*:two", Some("one"));
        check("db:5433:*:*:one\n*:*:*:*:two", Some("two"));
        check("#*:*:*:*:one\n*:*:*:walcast:two\\:\\\\x", Some("two:\\x"));
    }

    #[test]
    fn skips_lines_that_do_not_match() {
        check("", None);
        check("db:5432:shop:walcast:one", None);
        check("db:5432:*:other:one", None);
        check("db:5432", None);
        // An escaped star is a star and matches no other host.
        check("\\*:*:*:*:one", None);
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        let wanted = PasswordQuery {
            host: "db",
            port: 1,
            database: "d",
            user: "u",
        };
        assert!(look_up(&path, &wanted).is_none(), "there is no file yet");
        std::fs::write(&path, "*:*:*:*:secret\n").unwrap();
        for (mode, used) in [(0o644, false), (0o640, false), (0o600, true), (0o400, true)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(look_up(&path, &wanted).is_some(), used, "mode {mode:o}");
        }
    }

    proptest! {
        #[test]
        fn any_value_can_be_escaped(host in "[^\n\r]{1,10}", password in "[^\n\r]{1,10}") {
            let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
            let escaped_host = escape(&host);
            // A leading # makes a comment and a lone * means any: neither can be written as a host.
            prop_assume!(!escaped_host.starts_with('#') && escaped_host != "*");
            let line = format!("{escaped_host}:1:d:u:{}", escape(&password));
            let wanted = PasswordQuery { host: &host, port: 1, database: "d", user: "u" };
            let found = find(&line, &wanted);
            prop_assert_eq!(found.as_ref().map(|secret| secret.reveal()), Some(password.as_str()));
        }
    }
}
