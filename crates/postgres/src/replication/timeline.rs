//! Timeline history files.

use walcast_delivery::{Timeline, TimelineSwitch};
use walcast_pgoutput::Lsn;

use crate::error::PostgresError;

/// Parses lines `timeline LSN reason`; empty lines and comments are skipped.
pub(crate) fn parse(text: &str) -> Result<Vec<TimelineSwitch>, PostgresError> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            switch(line).ok_or_else(|| PostgresError::UnexpectedAnswer {
                doing: "reading the timeline history",
                answer: line.to_owned(),
            })
        })
        .collect()
}

fn switch(line: &str) -> Option<TimelineSwitch> {
    let mut fields = line.split_ascii_whitespace();
    let timeline = Timeline::new(fields.next()?.parse().ok()?);
    let switched_at: Lsn = fields.next()?.parse().ok()?;
    Some(TimelineSwitch {
        timeline,
        switched_at,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::parse;

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&match parse(text) {
            Ok(switches) => switches
                .iter()
                .map(|switch| format!("{} until {}\n", switch.timeline, switch.switched_at))
                .collect(),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn each_line_is_an_earlier_timeline() {
        check(
            "1\t0/3000000\tno recovery target specified\n\n# by hand\n2\t1/A0\tbefore 2026-01-01\n",
            &expect![[r#"
                1 until 0/3000000
                2 until 1/A0
            "#]],
        );
        check("", &expect![""]);
    }

    #[test]
    fn rejects_other_lines() {
        check(
            "1\tx\n",
            &expect![[r#"error: reading the timeline history: unexpected result "1\tx""#]],
        );
        check(
            "1",
            &expect![[r#"error: reading the timeline history: unexpected result "1""#]],
        );
    }
}
