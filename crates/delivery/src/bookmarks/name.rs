//! Names of bookmarks, and of the slots that hold them.
//!
//! A slot is named `walcast_bm_<connector>_<time>_<name>`: the hash of the name of the connector's slot, so that no connector takes
//! the bookmarks of another for its own, whatever their slots are named; the time of its creation by the server's clock; and the
//! name that the user chose.

use std::fmt;
use std::str::FromStr;

use crate::bookmarks::rejection::BookmarkRejected;

/// First part of the names of all bookmarks' slots.
const PREFIX: &str = "walcast_bm_";

/// First part of the names of rolling bookmarks.
const ROLLING: &str = "rolling_";

/// Hexadecimal digits of the connector's hash and of the time.
const HASH_DIGITS: usize = 12;
const TIME_DIGITS: usize = 8;

/// Length limit of names of slots (`NAMEDATALEN`).
const SLOT_BYTES_MAX: usize = 63;

/// Longest name of a bookmark, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = SLOT_BYTES_MAX - PREFIX.len() - HASH_DIGITS - TIME_DIGITS - 2;

/// Name of a bookmark that a user may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookmarkName(String);

impl BookmarkName {
    /// Name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the rolling bookmark of a time.
    pub(crate) fn rolling(unix_seconds: u64) -> Self {
        let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Self(format!(
            "{ROLLING}{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}"
        ))
    }
}

impl fmt::Display for BookmarkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BookmarkName {
    type Err = BookmarkRejected;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(is_plain) {
            return Err(BookmarkRejected::InvalidName {
                name: text.to_owned(),
                longest: NAME_BYTES_MAX,
            });
        }
        if is_rolling(text) {
            return Err(BookmarkRejected::ReservedName {
                name: text.to_owned(),
                prefix: ROLLING,
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a slot is named like those of bookmarks. The slot of a connector must not be: another connector could take it for one of its
/// bookmarks, and drop it.
#[must_use]
pub fn is_named_like_bookmark(slot: &str) -> bool {
    slot.starts_with(PREFIX)
}

/// First part of the names of the slots that hold the bookmarks of the connector with this slot.
#[must_use]
pub fn bookmark_prefix(slot: &str) -> String {
    format!("{PREFIX}{:0HASH_DIGITS$x}_", hash(slot))
}

/// Name of the slot of a bookmark.
pub(crate) fn bookmark_slot(slot: &str, unix_seconds: u64, name: &BookmarkName) -> String {
    // Eight digits last until the year 2106.
    let time = u32::try_from(unix_seconds).unwrap_or(u32::MAX);
    format!("{}{time:0TIME_DIGITS$x}_{name}", bookmark_prefix(slot))
}

/// Time of creation and name of the bookmark that a slot holds; `None` if the slot is no bookmark of the connector.
pub(crate) fn parse(slot: &str, name: &str) -> Option<(u64, String)> {
    let rest = name.strip_prefix(&bookmark_prefix(slot))?;
    let (time, name) = rest.split_once('_')?;
    if time.len() != TIME_DIGITS || name.is_empty() {
        return None;
    }
    let seconds = u32::from_str_radix(time, 16).ok()?;
    Some((u64::from(seconds), name.to_owned()))
}

/// Whether a bookmark of this name is a rolling one.
pub(crate) fn is_rolling(name: &str) -> bool {
    name.starts_with(ROLLING)
}

/// FNV-1a in 64 bits, folded to 48. It must never change: stored names depend on it.
fn hash(text: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let full = text
        .bytes()
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    (full >> 48) ^ (full & ((1 << 48) - 1))
}

/// Date of a day since 1970, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from March of year 0, so that the leap day is the last day of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_fills_the_name_of_a_slot() {
        let longest: BookmarkName = "n".repeat(NAME_BYTES_MAX).parse().unwrap();
        let slot = bookmark_slot(&"s".repeat(63), u64::MAX, &longest);
        assert_eq!((slot.len(), NAME_BYTES_MAX), (SLOT_BYTES_MAX, 30));
        assert_eq!(
            parse(&"s".repeat(63), &slot),
            Some((u64::from(u32::MAX), longest.to_string()))
        );
    }

    #[test]
    fn names_that_no_slot_can_have_are_refused() {
        for name in ["", "a b", "Before", "a-b", "ä", "a'b", &"n".repeat(31)] {
            let refused = name.parse::<BookmarkName>();
            assert!(
                matches!(refused, Err(BookmarkRejected::InvalidName { longest: 30, .. })),
                "{name}"
            );
        }
        for name in ["rolling_", "rolling_20261201_101500"] {
            let refused = name.parse::<BookmarkName>();
            assert!(
                matches!(refused, Err(BookmarkRejected::ReservedName { .. })),
                "{name}"
            );
        }
        for name in ["a", "_", "0", "before_migration_7", "rolling"] {
            assert_eq!(name.parse::<BookmarkName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_of_slots_are_stable() {
        let name: BookmarkName = "before_migration".parse().unwrap();
        let slot = bookmark_slot("walcast_shop", 0x674c_5e1f, &name);
        assert_eq!(
            slot,
            format!("{}674c5e1f_before_migration", bookmark_prefix("walcast_shop"))
        );
        assert_eq!(
            parse("walcast_shop", &slot),
            Some((0x674c_5e1f, name.to_string()))
        );
        assert_eq!(bookmark_prefix(""), "walcast_bm_9ce48422e8d7_");
    }

    #[test]
    fn slots_of_other_clients_are_no_bookmarks() {
        let name: BookmarkName = "n".parse().unwrap();
        for slot in [
            "walcast_shop".to_owned(),
            bookmark_prefix("walcast_shop"),
            format!("{}n", bookmark_prefix("walcast_shop")),
            format!("{}zzzzzzzz_n", bookmark_prefix("walcast_shop")),
            format!("{}674c5e1f_", bookmark_prefix("walcast_shop")),
            format!("{}674c5e1_n", bookmark_prefix("walcast_shop")),
            bookmark_slot("walcast_shop_2", 7, &name),
            bookmark_slot("walcast_sho", 7, &name),
        ] {
            assert_eq!(parse("walcast_shop", &slot), None, "{slot}");
        }
    }

    #[test]
    fn rolling_bookmarks_are_named_by_their_time() {
        for (seconds, name) in [
            (0, "rolling_19700101_000000"),
            (951_782_399, "rolling_20000228_235959"),
            (951_782_400, "rolling_20000229_000000"),
            (1_764_583_200, "rolling_20251201_100000"),
            (4_102_444_799, "rolling_20991231_235959"),
        ] {
            let rolling = BookmarkName::rolling(seconds);
            assert_eq!(rolling.as_str(), name);
            assert!(is_rolling(name) && name.len() <= NAME_BYTES_MAX);
        }
    }
}
