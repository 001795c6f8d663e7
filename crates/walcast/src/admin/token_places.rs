//! Places of the stored token, which a start creates if the configuration has none.
//!
//! The token is stored in the first of these directories that exists and is writable; for a connector named `shop`:
//!
//! | variable | file |
//! |---|---|
//! | `RUNTIME_DIRECTORY`, `STATE_DIRECTORY` (set by systemd) | `shop.admin-token` in it |
//! | `XDG_RUNTIME_DIR` | `walcast/shop.admin-token` in it |
//! | `XDG_STATE_HOME` | `walcast/shop.admin-token` in it |
//! | `HOME` | `.local/state/walcast/shop.admin-token` in it |
//!
//! Commands search in the same order, and then in the directories of systemd units: a shell lacks the variables of a unit.

use std::path::PathBuf;

/// Directory in which a token may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Directory that has to exist; otherwise the place is skipped.
    pub(super) base: PathBuf,
    /// Path below the base, created with access for its owner only.
    pub(super) below: &'static str,
    /// File name.
    pub(super) file: String,
}

impl Place {
    /// Directory of the file.
    pub(super) fn directory(&self) -> PathBuf {
        match self.below {
            "" => self.base.clone(),
            below => self.base.join(below),
        }
    }

    /// Path of the file with the token.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory().join(&self.file)
    }
}

/// Environment variables, and the path that is created below the directory that each names.
const VARIABLES: [(&str, &str); 5] = [
    ("RUNTIME_DIRECTORY", ""),
    ("STATE_DIRECTORY", ""),
    ("XDG_RUNTIME_DIR", "walcast"),
    ("XDG_STATE_HOME", "walcast"),
    ("HOME", ".local/state/walcast"),
];

/// Directories of a unit with `RuntimeDirectory=walcast` or `StateDirectory=walcast`.
const OF_UNITS: [&str; 2] = ["/run/walcast", "/var/lib/walcast"];

/// Places in which a start stores the token of the connector, in order of precedence. The name is safe as a file name: it
/// consists of letters, digits, `_` and `-`.
pub(crate) fn to_store(name: &str, variable: impl Fn(&str) -> Option<String>) -> Vec<Place> {
    let place = |(name_of_variable, below): (&str, &'static str)| {
        let value = variable(name_of_variable)?;
        // systemd separates several directories by colons; the first is used.
        let first = match below {
            "" => value.split(':').next().unwrap_or_default(),
            _ => &value,
        };
        let base = PathBuf::from(first);
        // The XDG specification: a relative path is to be ignored.
        base.is_absolute().then(|| Place {
            base,
            below,
            file: file(name),
        })
    };
    VARIABLES.into_iter().filter_map(place).collect()
}

/// Places in which a command searches for the token.
pub(crate) fn to_search(name: &str, variable: impl Fn(&str) -> Option<String>) -> Vec<Place> {
    let mut places = to_store(name, variable);
    places.extend(OF_UNITS.map(|base| Place {
        base: base.into(),
        below: "",
        file: file(name),
    }));
    places
}

/// Environment variable of this process, as [`to_store`] and [`to_search`] take it.
pub(crate) fn of_process(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn file(name: &str) -> String {
    format!("{name}.admin-token")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(places: Vec<Place>) -> Vec<String> {
        places
            .iter()
            .map(|place| place.path().display().to_string())
            .collect()
    }

    #[test]
    fn places_are_ordered_and_exist_only_for_set_variables() {
        let all = |variable: &str| match variable {
            "RUNTIME_DIRECTORY" => Some("/run/shop:/run/other".to_owned()),
            "XDG_RUNTIME_DIR" => Some("/run/user/7".to_owned()),
            "XDG_STATE_HOME" => Some("relative".to_owned()),
            "HOME" => Some("/home/me".to_owned()),
            _ => None,
        };
        assert_eq!(
            paths(to_store("shop", all)),
            [
                "/run/shop/shop.admin-token",
                "/run/user/7/walcast/shop.admin-token",
                "/home/me/.local/state/walcast/shop.admin-token",
            ]
        );
        assert_eq!(paths(to_store("shop", |_| None)), [""; 0]);
        assert_eq!(
            paths(to_search("shop", |_| None)),
            [
                "/run/walcast/shop.admin-token",
                "/var/lib/walcast/shop.admin-token"
            ]
        );
    }
}
