//! The targets, and where what belongs to them is.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// A target of crates/fuzz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Target {
    /// Messages of logical replication
    Decoder,
    /// What a server sends on a replication connection
    Server,
    /// Rows that COPY prints
    CopiedRow,
    /// Rows of any text in columns of any type
    Row,
    /// The configuration file
    Configuration,
    /// Conditions of requests
    Condition,
}

/// Where everything is that is not kept: the built targets, what was found.
pub(super) const WORK: &str = "target/fuzz";

impl Target {
    /// Those that were asked for; all when none was.
    pub(super) fn chosen(asked: &[Target]) -> Vec<Target> {
        let all = Target::value_variants().iter().copied();
        all.filter(|target| asked.is_empty() || asked.contains(target))
            .collect()
    }

    /// The name of its binary and its folders.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Target::Decoder => "decoder",
            Target::Server => "server",
            Target::CopiedRow => "copied_row",
            Target::Row => "row",
            Target::Configuration => "configuration",
            Target::Condition => "condition",
        }
    }

    /// The inputs that are kept.
    pub(super) fn corpus(self) -> PathBuf {
        Path::new("crates/fuzz/corpus").join(self.name())
    }

    /// The inputs that reached new code, on this machine.
    pub(super) fn inputs(self) -> PathBuf {
        self.work("inputs")
    }

    /// What it begins with.
    pub(super) fn seeds(self) -> PathBuf {
        self.work("seeds")
    }

    /// Inputs for which something does not hold.
    pub(super) fn findings(self) -> PathBuf {
        self.work("findings")
    }

    /// A folder that belongs to it alone.
    pub(super) fn work(self, what: &str) -> PathBuf {
        Path::new(WORK).join(what).join(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_can_be_chosen() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/fuzz_targets");
        let files = std::fs::read_dir(folder).unwrap();
        let names = files.map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        });
        let mut names: Vec<String> = names.collect();
        let mut ours: Vec<&str> = Target::chosen(&[]).into_iter().map(Target::name).collect();
        names.sort();
        ours.sort_unstable();
        assert_eq!(names, ours);
        assert_eq!(Target::chosen(&[Target::Row]), [Target::Row]);
    }
}
