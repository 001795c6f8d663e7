//! Positions as Postgres prints them.

/// The number behind `16/B374D848`.
pub fn lsn(text: &str) -> u64 {
    let (high, low) = text
        .split_once('/')
        .unwrap_or_else(|| panic!("{text:?} is no position"));
    let part = |digits| u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{text:?} is no position"));
    part(high) << 32 | part(low)
}
