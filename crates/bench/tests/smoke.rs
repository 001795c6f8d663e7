//! `cargo xtask bench suite`, as small as it can be: every measurement runs, and the document has all of them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;
use std::process::Command;

/// Sections of the document.
const SECTIONS: [&str; 9] = [
    "## Machine",
    "## Backlog",
    "## Other backlogs",
    "## Steady flow",
    "## Replay beside the stream",
    "## Start",
    "## Existing rows",
    "## Verification",
    "## Growth",
];

#[test]
fn every_measurement_of_the_suite_runs_and_is_written() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-smoke");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let run = Command::new(env!("CARGO_BIN_EXE_walcast-bench"))
        .args(["bench", "suite", "--smoke", "--out"])
        .arg(&folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{errors}");

    let document = std::fs::read_to_string(folder.join("benchmarks.md")).unwrap();
    for section in SECTIONS {
        assert!(document.contains(section), "{section} is missing:\n{document}");
    }
    let mut plots = 0;
    for part in document.split("](").skip(1) {
        let (link, _) = part.split_once(')').unwrap();
        if link.ends_with(".svg") {
            let plot = std::fs::read_to_string(folder.join(link)).unwrap();
            assert!(plot.contains("</svg>"), "{link}");
            plots += 1;
        }
    }
    assert_eq!(plots, 7, "{document}");
    assert!(!document.contains("NaN"), "{document}");
}
