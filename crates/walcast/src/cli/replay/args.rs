//! Arguments of `walcast replay start`.

use clap::Args;
use walcast_kafka::{ReplayRequest, RequestedSource};
use walcast_mapper::pattern::TablePattern;
use walcast_topics::PointInTime;

use crate::cli::point_in_time::{point_in_time, point_text};
use crate::exit::help_end;

/// Send the changes of a window into side topics, or append them to their topics
///
/// The records are copied from the topics, byte by byte. Where these lack records of the window, the changes are decoded from WAL again, if a
/// bookmark or the slot of the connector retains it, on a temporary copy of the slot; the time of processing (ts_ms) is then that of the
/// replay. A running connector is not disturbed. Each record of the window is sent once, in the order of its partition: key, value and
/// headers are those of the original, with the header walcast.replay behind them. A replay that was interrupted or killed is resumed by the
/// same command.
#[derive(Debug, Args)]
#[command(after_help = help_end!(
    "  walcast replay start --from 0/16B3748 --into fix --dry-run              count first\n\
     \x20 walcast replay start --from 0/16B3748 --into fix                        to fix.<topic>\n\
     \x20 walcast replay start --from before_migration --into fix                 from a bookmark\n\
     \x20 walcast replay start --from 2026-12-01 --to 2026-12-02 --tables public.orders --into fix\n\
     \x20 walcast replay start --from 0/16B3748 --to 0/16B4F08 --same-topics --name again"
))]
pub(crate) struct StartArgs {
    /// Transactions that committed at this LSN, time or position of a bookmark or later
    #[arg(long, value_name = "LSN|TIME|BOOKMARK", value_parser = window_start)]
    pub(super) from: WindowStart,
    /// Transactions that committed at this LSN or time or before; now is what is delivered when the replay is started
    #[arg(long, value_name = "LSN|TIME|now", value_parser = window_end, default_value = "now")]
    pub(super) to: WindowEnd,
    /// Only topics of tables that match this pattern over schema.table; can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub(super) tables: Vec<TablePattern>,
    /// Name of the replay, and prefix of the side topics: NAME.<topic> [default: made from --from]
    #[arg(long, value_name = "NAME", value_parser = replay_name, conflicts_with_all = ["same_topics", "name"])]
    pub(super) into: Option<String>,
    /// Append to the topics themselves: consumers must drop records whose walcast.id they know
    #[arg(long)]
    pub(super) same_topics: bool,
    /// Name of the replay [default: made from --from]
    #[arg(long, value_name = "NAME", value_parser = replay_name)]
    pub(super) name: Option<String>,
    /// Read WAL, the topics, or WAL only if the topics lack records of the window
    #[arg(long, value_name = "auto|wal|topics", value_parser = source, default_value = "auto")]
    pub(super) source: RequestedSource,
    /// Replay what is left of a window of which records were removed, or which is not delivered completely yet
    #[arg(long)]
    pub(super) accept_gap: bool,
    /// Count the records, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Beginning of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WindowStart {
    /// A position or a time.
    Point(PointInTime),
    /// The position of the bookmark with this name.
    Bookmark(String),
}

impl WindowStart {
    /// Text, as it is stored and compared.
    fn text(&self) -> String {
        match self {
            Self::Point(point) => point_text(*point),
            Self::Bookmark(name) => name.clone(),
        }
    }
}

/// End of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowEnd {
    /// What is delivered when the replay is started.
    Now,
    /// A position or a time.
    Point(PointInTime),
}

/// Text of [`WindowEnd::Now`].
const NOW: &str = "now";

impl StartArgs {
    /// Name of the replay: that which is given, or one that the same command makes again.
    pub(super) fn replay_name(&self) -> String {
        let given = self.into.as_ref().or(self.name.as_ref());
        given.cloned().unwrap_or_else(|| {
            let from = self.from.text();
            let allowed = from.chars().map(|character| match is_allowed(character) {
                true => character,
                false => '-',
            });
            format!("from-{}", allowed.collect::<String>())
        })
    }

    /// Request, as it is stored and compared.
    pub(super) fn request(&self) -> ReplayRequest {
        let mut tables: Vec<String> = self.tables.iter().map(ToString::to_string).collect();
        tables.sort_unstable();
        tables.dedup();
        ReplayRequest {
            from: self.from.text(),
            to: match self.to {
                WindowEnd::Now => NOW.to_owned(),
                WindowEnd::Point(point) => point_text(point),
            },
            tables,
            into: (!self.same_topics).then(|| self.replay_name()),
            source: self.source,
        }
    }
}

/// Longest name of a bookmark.
const BOOKMARK_BYTES_MAX: usize = 30;

/// Parses the beginning of a window. What is neither a position nor a time is the name of a bookmark.
fn window_start(text: &str) -> Result<WindowStart, String> {
    let expected = match point_in_time(text) {
        Ok(point) => return Ok(WindowStart::Point(point)),
        Err(expected) => expected,
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    match (1..=BOOKMARK_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_name) {
        true => Ok(WindowStart::Bookmark(text.to_owned())),
        false => Err(format!("{expected}, or the name of a bookmark")),
    }
}

/// Parses a source.
fn source(text: &str) -> Result<RequestedSource, String> {
    let all = [
        RequestedSource::Auto,
        RequestedSource::Wal,
        RequestedSource::Topics,
    ];
    let found = all.into_iter().find(|source| source.word() == text);
    found.ok_or_else(|| "expected auto, wal or topics".to_owned())
}

/// Parses the end of a window.
fn window_end(text: &str) -> Result<WindowEnd, String> {
    match text {
        NOW => Ok(WindowEnd::Now),
        text => match point_in_time(text) {
            Ok(point) => Ok(WindowEnd::Point(point)),
            Err(expected) => Err(format!("{expected}, or now")),
        },
    }
}

/// Longest name: a side topic has it before the name of its topic.
const NAME_BYTES_MAX: usize = 80;

/// Parses the name of a replay, which begins the names of topics.
pub(super) fn replay_name(text: &str) -> Result<String, String> {
    let holds = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.chars().all(is_allowed)
        && text.chars().any(|character| character != '.');
    match holds {
        true => Ok(text.to_owned()),
        false => Err("expected up to 80 of A-Z, a-z, 0-9, dot, _ and -, as Kafka names topics".to_owned()),
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: StartArgs,
    }

    fn parse(arguments: &[&str]) -> Result<StartArgs, clap::Error> {
        let all = ["start"].iter().chain(arguments);
        Ok(Line::try_parse_from(all)?.args)
    }

    #[test]
    fn the_same_command_makes_the_same_name_and_request() {
        for (arguments, name, into) in [
            (&["--from", "0/16B3748", "--into", "fix"][..], "fix", Some("fix")),
            (&["--from", "0/16b3748"], "from-0-16B3748", Some("from-0-16B3748")),
            (
                &["--from", "2026-12-01"],
                "from-2026-12-01T00-00-00Z",
                Some("from-2026-12-01T00-00-00Z"),
            ),
            (&["--from", "0/1", "--name", "x"], "x", Some("x")),
            (
                &["--from", "before_migration"],
                "from-before_migration",
                Some("from-before_migration"),
            ),
            (&["--from", "0/1", "--name", "x", "--same-topics"], "x", None),
        ] {
            let args = parse(arguments).unwrap();
            assert_eq!(args.replay_name(), name, "{arguments:?}");
            let request = args.request();
            assert_eq!((request.into.as_deref(), request.to.as_str()), (into, "now"));
        }
        let bookmark = parse(&["--from", "17", "--source", "wal"]).unwrap();
        assert_eq!(bookmark.from, WindowStart::Bookmark("17".to_owned()));
        let request = bookmark.request();
        assert_eq!(
            (request.from.as_str(), request.source),
            ("17", RequestedSource::Wal)
        );
        let request = |tables: &[&str]| {
            parse(&[&["--from", "0/1"][..], tables].concat())
                .unwrap()
                .request()
        };
        assert_eq!(
            request(&["--tables", "public.b", "--tables", "public.a"]),
            request(&[
                "--tables", "public.a", "--tables", "public.b", "--tables", "public.a"
            ])
        );
    }

    #[test]
    fn invalid_requests_are_rejected() {
        for arguments in [
            &[][..],
            &["--from", "Tuesday"],
            &["--from", ""],
            &["--from", &"n".repeat(31)],
            &["--from", "0/1", "--source", "log"],
            &["--from", "0/1", "--to", "later"],
            &["--from", "0/1", "--into", "a/b"],
            &["--from", "0/1", "--into", ""],
            &["--from", "0/1", "--into", ".."],
            &["--from", "0/1", "--into", "a", "--same-topics"],
            &["--from", "0/1", "--into", "a", "--name", "b"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
        assert!(replay_name(&"x".repeat(NAME_BYTES_MAX + 1)).is_err());
    }
}
