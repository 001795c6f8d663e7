//! How far reading is, for people and for scripts.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::ask::Admin;
use crate::admin::ExistingRows;
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;

/// How often a running connector is asked.
const INTERVAL: Duration = Duration::from_millis(500);

pub(super) async fn status(config: &Config, follow: bool, json: bool) -> anyhow::Result<Exit> {
    let admin = Admin::new(config)?;
    let mut rows: ExistingRows = admin.get().await?;
    if follow {
        // It draws nothing where stderr is no terminal.
        let bar =
            ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}")?);
        while rows.tables_left > 0 {
            show(&bar, &rows);
            tokio::time::sleep(INTERVAL).await;
            rows = admin.get().await?;
        }
        bar.finish_and_clear();
    }
    let mut output = stdout();
    output.line(&if json {
        serde_json::to_string_pretty(&rows)?
    } else {
        describe(&rows)
    })?;
    output.flush()?;
    Ok(Exit::Done)
}

fn show(bar: &ProgressBar, rows: &ExistingRows) {
    let whole: u64 = rows.tables.iter().filter_map(|table| table.bytes).sum();
    bar.set_length(whole.max(1));
    bar.set_position(whole.saturating_sub(rows.bytes_left));
    bar.set_message(summary(rows));
}

fn summary(rows: &ExistingRows) -> String {
    let mut text = format!(
        "{}: {} rows, {} tables left, {} left",
        rows.state,
        HumanCount(rows.rows_read),
        rows.tables_left,
        HumanBytes(rows.bytes_left)
    );
    let mut add = |part: String| {
        let written = write!(text, ", {part}");
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    };
    if let Some(rate) = rows.rows_per_second {
        add(format!("{} rows/s", HumanCount(rate)));
    }
    if let Some(seconds) = rows.seconds_left {
        let left = Duration::from_secs(seconds);
        add(format!("{} to go", indicatif::HumanDuration(left)));
    }
    text
}

fn describe(rows: &ExistingRows) -> String {
    if rows.tables_left == 0 {
        return format!(
            "nothing is being read; {} rows were since the connector was started",
            HumanCount(rows.rows_read)
        );
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
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::describe;
    use crate::admin::ExistingRows;

    #[test]
    fn people_see_each_table() {
        let rows: ExistingRows = serde_json::from_str(
            r#"{"state":"reading","rows_read":1200000,"tables_left":2,"tables_done":1,"bytes_left":150000000,
                "snapshot_lsn":"0/16B3748","held_seconds":12,"rows_per_second":100000,"seconds_left":75,"tables":[
                {"table":"public.orders","rows":200000,"bytes":100000000,"bytes_left":50000000,"percent":50.0},
                {"table":"public.items","rows":0,"bytes":null,"bytes_left":null,"percent":null}]}"#,
        )
        .unwrap();
        expect![[r#"
            reading: 1,200,000 rows, 2 tables left, 143.05 MiB left, 100,000 rows/s, 75 seconds to go
            snapshot at 0/16B3748, held for 12 s
             50.0 % of 95.37 MiB  public.orders  200,000 rows
                ? %  public.items  0 rows"#]]
        .assert_eq(&describe(&rows));
    }
}
