//! Tests of the view, its lines and the screen.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::lines::{Order, head, tables};
use super::sample::{Commits, Sample};
use super::screen::{After, Screen};
use super::view::View;

/// Response to `/status` with these numbers of inserts into `public.orders`, and of transactions.
fn status(orders: u64, transactions: u64) -> Value {
    json!({
        "name": "shop", "version": "0.1.0", "state": "streaming", "error": null,
        "role": {"is": "leader"}, "uptime_seconds": 7_500,
        "lsn": {"received": "0/50", "produced": "0/40", "checkpointed": "0/30", "confirmed": "0/20", "server": "0/60"},
        "lag_bytes": 16, "lag_seconds": 0.5, "slot_retained_bytes": 2048,
        "wal": {
            "written_bytes_per_second": 1024,
            "limits": [
                {"limit": "disk", "headroom_bytes": 4096, "time_to_limit_seconds": null, "at_risk": false},
                {"limit": "max_slot_wal_keep_size", "headroom_bytes": 8192, "time_to_limit_seconds": 90, "at_risk": true},
            ],
        },
        "outboxes": [{"table": "public.outbox", "pending": 3, "oldest_age_seconds": 0.5, "published": 10, "dead": 1, "cleanup": null}],
        "tables": [
            {"table": "public.items", "state": "reading"},
            {"table": "public.orders", "state": "streaming"},
        ],
        "transactions": transactions,
        "changes": {
            "public.orders": {"insert": orders, "update": 1},
            "evil\u{1b}[2J": {"insert": 7},
        },
        "dead_letters": {"public.items": {"mapping": 2}},
        "snapshot": {
            "state": "reading", "rows_read": 5, "tables_remaining": 1, "tables_completed": 0, "bytes_remaining": 10,
            "snapshot_lsn": null, "held_seconds": null, "rows_per_second": 100, "seconds_remaining": 60, "tables": [],
        },
        "verification": {"verdict": "identical", "age_seconds": 3_600, "differences": 0, "lsn": "0/10"},
        "reconnects": 0,
    })
}

fn sample(taken_at: Instant, status: Value, commits: Commits) -> Sample {
    Sample {
        taken_at,
        status: serde_json::from_value(status).unwrap(),
        commits,
    }
}

/// View of two samples, two seconds apart.
fn view() -> View {
    let (begun, count) = (Instant::now(), 10.0);
    let first = sample(begun, status(100, 10), Commits { count, seconds: 1.0 });
    let second = Commits {
        count: 30.0,
        seconds: 1.25,
    };
    let second = sample(begun + Duration::from_secs(2), status(150, 20), second);
    View::of(&second, Some(&first))
}

fn check(lines: &[String], expected: &Expect) {
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn lines_name_state_positions_lag_slot_and_rates() {
    check(
        &head(&view()),
        &expect![[r"
            shop  streaming  leader  up 2h 5m, 0 reconnects
            LSN   confirmed 0/20  checkpointed 0/30  produced 0/40  received 0/50  server 0/60
            lag   0.5 s, 16 B
            slot  retains 2.00 KiB, WAL grows 1.00 KiB/s, 8.00 KiB left of max_slot_wal_keep_size, for 1m 30s  AT RISK
            rate  5.0 transactions/s, 25.0 changes/s, Kafka commit 12.5 ms
            rows  reading, 1 tables remaining, 100 rows/s, 1m 0s until completion
            verify  identical, 0 differences, 1h 0m ago
            outbox  public.outbox: 3 pending, oldest 0.5 s, 10 published, 1 dead"]],
    );
}

#[test]
fn tables_are_sorted_by_each_key() {
    let view = view();
    check(
        &tables(&view, Order::Rate),
        &expect![[r"
            table          state             changes/s       changes  dead letters
            public.orders  streaming              25.0           151             0
            evil\u{1b}[2J                          0.0             7             0
            public.items   reading                 0.0             0             2"]],
    );
    let first = |order| tables(&view, order)[1].split(' ').next().unwrap().to_owned();
    assert_eq!(first(Order::Name), "evil\\u{1b}[2J");
    assert_eq!(first(Order::Changes), "public.orders");
    assert_eq!(first(Order::DeadLetters), "public.items");
}

#[test]
fn there_are_no_rates_across_a_restart_and_before_a_second_sample() {
    let begun = Instant::now();
    let first = sample(begun, status(100, 10), Commits::default());
    let restarted = sample(begun + Duration::from_secs(1), status(1, 1), Commits::default());
    for view in [View::of(&first, None), View::of(&restarted, Some(&first))] {
        assert_eq!((view.changes_per_second, view.commit_milliseconds), (None, None));
        assert!(view.tables.iter().all(|table| table.changes_per_second.is_none()));
    }
}

#[test]
fn commits_are_those_of_the_connector() {
    let metrics = "# TYPE walcast_kafka_commit_seconds histogram\n\
        walcast_kafka_commit_seconds_sum{connector=\"other\"} 9.5\n\
        walcast_kafka_commit_seconds_sum{connector=\"shop\"} 1.5\n\
        walcast_kafka_commit_seconds_count{connector=\"shop\"} 3\n";
    let found = Commits {
        count: 3.0,
        seconds: 1.5,
    };
    assert_eq!(Commits::parse(metrics, "shop"), found);
    assert_eq!(Commits::parse("", "shop"), Commits::default());
}

#[test]
fn polled_outboxes_are_shown_with_their_age() {
    let mut status = status(1, 1);
    status["outboxes"] = json!([]);
    status["polled_outboxes"] = json!([
        {"table": "public.a", "pending": 3, "oldest_age_seconds": 2.5, "gate": null},
        {"table": "public.b", "pending": 0, "oldest_age_seconds": null, "gate": null},
    ]);
    let view = View::of(&sample(Instant::now(), status, Commits::default()), None);
    let lines = head(&view);
    let outboxes: Vec<&String> = lines.iter().filter(|line| line.starts_with("outbox")).collect();
    assert_eq!(
        outboxes,
        [
            "outbox  public.a: 3 pending, oldest 2.5 s",
            "outbox  public.b: 0 pending, oldest -"
        ]
    );
}

/// Text of a screen of this size.
fn drawn(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let rows = cells.chunks(usize::from(width)).map(|row| {
        let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<String>>().join("\n")
}

#[test]
fn screen_shows_lines_tables_and_keys() {
    let mut screen = Screen::new(view());
    expect![[r"
        shop  streaming  leader  up 2h 5m, 0 reconnects
        LSN   confirmed 0/20  checkpointed 0/30  produced 0/40  received 0/50  server 0/60
        lag   0.5 s, 16 B
        slot  retains 2.00 KiB, WAL grows 1.00 KiB/s, 8.00 KiB left of max_slot_wal_keep_size, f
        rate  5.0 transactions/s, 25.0 changes/s, Kafka commit 12.5 ms
        rows  reading, 1 tables remaining, 100 rows/s, 1m 0s until completion
        verify  identical, 0 differences, 1h 0m ago
        outbox  public.outbox: 3 pending, oldest 0.5 s, 10 published, 1 dead

        table          state             changes/s       changes  dead letters
        public.orders  streaming              25.0           151             0
        q quit  p pause  sort: n name  r rate  c changes  d dead letters"]]
    .assert_eq(&drawn(&screen, 88, 12));
    screen.unanswered = Some("connection\u{1b} refused".to_owned());
    screen.is_paused = true;
    let text = drawn(&screen, 88, 16);
    assert!(text.contains("no answer: connection\\u{1b} refused\n"), "{text}");
    assert!(text.ends_with("d dead letters  PAUSED"), "{text}");
    // A terminal without room is no error.
    drawn(&screen, 1, 1);
}

#[test]
fn keys_sort_pause_and_quit() {
    let mut screen = Screen::new(view());
    let key = |character| KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE);
    for (character, order) in [
        ('n', Order::Name),
        ('c', Order::Changes),
        ('d', Order::DeadLetters),
        ('r', Order::Rate),
        ('x', Order::Rate),
    ] {
        assert_eq!(screen.press(key(character)), After::Continue);
        assert_eq!(screen.order, order);
    }
    assert_eq!(screen.press(key('p')), After::Continue);
    assert!(screen.is_paused);
    assert_eq!(screen.press(key('p')), After::Continue);
    assert!(!screen.is_paused);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for quit in [
        key('q'),
        control_c,
        KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE),
    ] {
        assert_eq!(screen.press(quit), After::Quit);
    }
}
