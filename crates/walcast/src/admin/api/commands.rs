//! Commands that do the same as a request, for people and scripts.

use walcast_delivery::{SnapshotCommand, SnapshotType, shell};

/// Argument as it is written in a shell: in quotes only if it needs them.
pub(super) fn argument(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-/:".contains(character);
    let needs_none = !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain);
    match needs_none {
        true => text.to_owned(),
        false => shell::quoted(text),
    }
}

/// Option with its value.
fn option(name: &str, value: &str) -> String {
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("{name}{between}{}", argument(value))
}

/// Command that does the same as a request.
pub(super) fn of_snapshot(command: &SnapshotCommand) -> String {
    let with_options = |command: &str, options: Vec<String>| {
        let words = [command.to_owned()].into_iter().chain(options);
        words.collect::<Vec<_>>().join(" ")
    };
    match command {
        SnapshotCommand::Pause => "walcast snapshot pause".to_owned(),
        SnapshotCommand::Resume => "walcast snapshot resume".to_owned(),
        SnapshotCommand::Stop { tables } => {
            let tables = tables.iter().map(|table| option("--tables", &table.to_string()));
            with_options("walcast snapshot stop", tables.collect())
        }
        SnapshotCommand::ResumeTables { tables } => {
            let tables = tables.iter().map(|table| argument(&table.to_string()));
            with_options("walcast table resume", tables.collect())
        }
        SnapshotCommand::Start { tables, marks, .. } => {
            let commands = tables.iter().map(|selection| {
                if !selection.dead_letters.is_empty() {
                    let letters = selection.dead_letters.iter();
                    let letters = letters.map(|id| option("--id", id)).collect();
                    return with_options("walcast dlq redeliver", letters);
                }
                let mut options = vec![option("--tables", &selection.tables.to_string())];
                options.extend(
                    selection
                        .filter
                        .as_deref()
                        .map(|filter| option("--where", filter)),
                );
                if *marks == SnapshotType::Initial {
                    options.push("--record-marker initial".to_owned());
                }
                with_options("walcast snapshot start", options)
            });
            commands.collect::<Vec<_>>().join(" && ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: &str) -> String {
        of_snapshot(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn each_request_has_an_equivalent_command() {
        for (json, wanted) in [
            (r#"{"action":"pause"}"#, "walcast snapshot pause"),
            (r#"{"action":"resume"}"#, "walcast snapshot resume"),
            (r#"{"action":"stop"}"#, "walcast snapshot stop"),
            (
                r#"{"action":"stop","tables":["public.order*"]}"#,
                "walcast snapshot stop --tables 'public.order*'",
            ),
            (
                r#"{"action":"resume_tables","tables":["public.prices"]}"#,
                "walcast table resume public.prices",
            ),
            (
                r#"{"action":"start","tables":[{"tables":"public.orders","where":"name = 'Ada'"}],"marks":"initial"}"#,
                r"walcast snapshot start --tables public.orders --where 'name = '\''Ada'\''' --record-marker initial",
            ),
            (
                r#"{"action":"start","tables":[{"tables":"public.a"},{"tables":"public.b","dead_letters":["0/16B3748/3"]}]}"#,
                "walcast snapshot start --tables public.a && walcast dlq redeliver --id 0/16B3748/3",
            ),
        ] {
            assert_eq!(command(json), wanted);
        }
    }

    #[test]
    fn hostile_names_stay_one_argument() {
        assert_eq!(argument("public.orders"), "public.orders");
        assert_eq!(argument("$(reboot)"), "'$(reboot)'");
        assert_eq!(argument("--version"), "'--version'");
        assert_eq!(argument(""), "''");
        assert_eq!(option("--tables", "-x.y"), "--tables='-x.y'");
    }
}
