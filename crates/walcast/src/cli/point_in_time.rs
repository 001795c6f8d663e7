//! Arguments that are a position in WAL or a time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use walcast_pgoutput::Lsn;
use walcast_topics::PointInTime;

/// Parses an LSN, or a time: with its offset from UTC, or without one in UTC.
///
/// # Errors
/// The text is neither.
pub(super) fn point_in_time(text: &str) -> Result<PointInTime, String> {
    if let Ok(lsn) = text.parse::<Lsn>() {
        return Ok(PointInTime::Lsn(lsn));
    }
    let with_offset = text.parse::<Timestamp>().ok();
    let in_utc = || {
        let time = text.parse::<DateTime>().ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    match with_offset.or_else(in_utc) {
        Some(time) => Ok(PointInTime::Time(time.as_microsecond())),
        None => Err(
            "expected an LSN such as 0/16B3748, or a time such as 2026-12-01T10:00:00Z or 2026-12-01"
                .to_owned(),
        ),
    }
}

/// Time in microseconds since the Unix epoch as text; `-` for an unknown one.
pub(super) fn time_text(micros: Option<i64>) -> String {
    match micros.map(Timestamp::from_microsecond) {
        Some(Ok(time)) => time.to_string(),
        Some(Err(_)) | None => "-".to_owned(),
    }
}

/// Text of a point in time.
pub(super) fn point_text(point: PointInTime) -> String {
    match point {
        PointInTime::Lsn(lsn) => lsn.to_string(),
        PointInTime::Time(micros) => time_text(Some(micros)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_times_are_distinguished() {
        for (text, printed) in [
            ("0/16B3748", "0/16B3748"),
            ("2026-12-01T10:00:00Z", "2026-12-01T10:00:00Z"),
            ("2026-12-01T12:00:00.5+02:00", "2026-12-01T10:00:00.5Z"),
            ("2026-12-01 10:00:00", "2026-12-01T10:00:00Z"),
            ("2026-12-01", "2026-12-01T00:00:00Z"),
        ] {
            assert_eq!(point_text(point_in_time(text).unwrap()), printed);
        }
        for text in ["", "tuesday", "17", "0/", "2026-13-01"] {
            assert!(point_in_time(text).is_err(), "{text}");
        }
    }
}
