//! Progress of the reading of existing rows, as text and as JSON.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::ask::Admin;
use crate::admin::ExistingRows;
use crate::config::Config;
use crate::exit::Exit;
use crate::printable::printable;
use crate::stdout::stdout;

/// Interval between two status requests to the running connector.
const INTERVAL: Duration = Duration::from_millis(500);

pub(super) async fn status(config: &Config, follow: bool, json: bool) -> anyhow::Result<Exit> {
    let admin = Admin::new(config)?;
    let mut rows: ExistingRows = admin.get().await?;
    if follow {
        // The bar draws nothing if stderr is not a terminal.
        let bar =
            ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}")?);
        while rows.tables_remaining > 0 {
            show(&bar, &rows);
            tokio::time::sleep(INTERVAL).await;
            rows = admin.get().await?;
        }
        bar.finish_and_clear();
    }
    let mut output = stdout();
    if json {
        output.json(&rows)?;
    } else {
        output.lines(describe(&rows))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn show(bar: &ProgressBar, rows: &ExistingRows) {
    let whole: u64 = rows.tables.iter().filter_map(|table| table.bytes).sum();
    bar.set_length(whole.max(1));
    bar.set_position(whole.saturating_sub(rows.bytes_remaining));
    bar.set_message(printable(&summary(rows)).into_owned());
}

fn summary(rows: &ExistingRows) -> String {
    let mut text = format!(
        "{}: {} rows, {} tables remaining, {} remaining",
        rows.state,
        HumanCount(rows.rows_read),
        rows.tables_remaining,
        HumanBytes(rows.bytes_remaining)
    );
    let mut add = |part: String| {
        let written = write!(text, ", {part}");
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    };
    if let Some(rate) = rows.rows_per_second {
        add(format!("{} rows/s", HumanCount(rate)));
    }
    if let Some(seconds) = rows.seconds_remaining {
        let remaining = Duration::from_secs(seconds);
        add(format!(
            "{} until completion",
            indicatif::HumanDuration(remaining)
        ));
    }
    text
}

fn describe(rows: &ExistingRows) -> Vec<String> {
    if rows.tables_remaining == 0 {
        return vec![format!(
            "nothing is being read; {} rows read since the start of the connector",
            HumanCount(rows.rows_read)
        )];
    }
    let mut lines = vec![summary(rows)];
    if let (Some(lsn), Some(held)) = (&rows.snapshot_lsn, rows.held_seconds) {
        lines.push(format!("snapshot at {lsn}, held for {held} s"));
    }
    for table in &rows.tables {
        let percent = table
            .percent
            .map_or_else(|| "    ?".to_owned(), |percent| format!("{percent:>5.1}"));
        let size = table
            .bytes
            .map_or_else(String::new, |bytes| format!(" of {}", HumanBytes(bytes)));
        lines.push(format!(
            "{percent} %{size}  {}  {} rows",
            table.table,
            HumanCount(table.rows)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::describe;
    use crate::admin::ExistingRows;

    #[test]
    fn text_has_one_line_per_table() {
        let rows: ExistingRows = serde_json::from_str(
            r#"{"state":"reading","rows_read":1200000,"tables_remaining":2,"tables_completed":1,"bytes_remaining":150000000,
                "snapshot_lsn":"0/16B3748","held_seconds":12,"rows_per_second":100000,"seconds_remaining":75,"tables":[
                {"table":"public.orders","rows":200000,"bytes":100000000,"bytes_remaining":50000000,"percent":50.0},
                {"table":"public.items","rows":0,"bytes":null,"bytes_remaining":null,"percent":null}]}"#,
        )
        .unwrap();
        expect![[r#"
            reading: 1,200,000 rows, 2 tables remaining, 143.05 MiB remaining, 100,000 rows/s, 75 seconds until completion
            snapshot at 0/16B3748, held for 12 s
             50.0 % of 95.37 MiB  public.orders  200,000 rows
                ? %  public.items  0 rows"#]]
        .assert_eq(&describe(&rows).join("\n"));
    }
}
