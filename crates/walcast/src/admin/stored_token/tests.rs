use std::fs::{Permissions, create_dir, set_permissions, symlink_metadata, write};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::admin::token_places::to_store;

/// Places below a directory: a run directory that may exist, and a home directory.
fn places(root: &Path) -> Vec<Place> {
    let root = root.to_str().unwrap().to_owned();
    to_store("shop", move |variable| match variable {
        "XDG_RUNTIME_DIR" => Some(format!("{root}/run")),
        "HOME" => Some(format!("{root}/home")),
        _ => None,
    })
}

fn mode(path: &Path) -> u32 {
    symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn stored(places: &[Place]) -> StoredToken {
    ensure(places).unwrap().unwrap()
}

#[test]
fn the_first_start_creates_a_token_that_later_starts_and_commands_find() {
    let root = tempfile::tempdir().unwrap();
    create_dir(root.path().join("home")).unwrap();
    let places = places(root.path());
    assert!(find(&places).unwrap().is_none());

    let first = stored(&places);
    assert_eq!(
        first.path,
        root.path().join("home/.local/state/walcast/shop.admin-token")
    );
    assert_eq!(first.token.reveal().len(), 64);
    assert_eq!(mode(&first.path), 0o600);
    assert_eq!(mode(first.path.parent().unwrap()), 0o700);
    assert_eq!(stored(&places).token, first.token);
    assert_eq!(find(&places).unwrap().unwrap().token, first.token);
    let beside = std::fs::read_dir(first.path.parent().unwrap()).unwrap();
    assert_eq!(beside.count(), 1, "the draft is gone");

    let elsewhere = tempfile::tempdir().unwrap();
    create_dir(elsewhere.path().join("home")).unwrap();
    assert_ne!(stored(&self::places(elsewhere.path())).token, first.token);
}

#[test]
fn an_unusable_place_is_skipped() {
    let root = tempfile::tempdir().unwrap();
    create_dir(root.path().join("run")).unwrap();
    create_dir(root.path().join("home")).unwrap();
    // Others can write to it.
    let open = root.path().join("run/walcast");
    create_dir(&open).unwrap();
    set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let places = places(root.path());
    assert!(stored(&places).path.starts_with(root.path().join("home")));
    assert_eq!(std::fs::read_dir(&open).unwrap().count(), 0);
}

#[test]
fn reasons_are_returned_if_no_place_is_writable() {
    let root = tempfile::tempdir().unwrap();
    // A file has the name of the directory.
    create_dir(root.path().join("home")).unwrap();
    write(root.path().join("home/.local"), "").unwrap();
    let unusable = ensure(&places(root.path())).unwrap().unwrap_err();
    let said: Vec<String> = unusable.iter().map(Unusable::to_string).collect();
    let [run, home] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert!(run.contains("/run/walcast (No such file"), "{run}");
    assert!(home.contains("/home/.local/state/walcast ("), "{home}");
}

#[test]
fn a_file_that_others_can_access_is_an_error_that_names_the_file() {
    let root = tempfile::tempdir().unwrap();
    create_dir(root.path().join("home")).unwrap();
    let places = places(root.path());
    let StoredToken { token, path } = stored(&places);
    let text = format!("{}\n", token.reveal());
    let rejected = |wanted: &str| {
        for error in [
            ensure(&places).map(drop).unwrap_err(),
            find(&places).map(drop).unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(
                said.contains(wanted) && said.contains(path.to_str().unwrap()),
                "{said}"
            );
            assert!(!said.contains(token.reveal()), "{said}");
        }
    };

    set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    rejected("can be read or written by others (mode 0640, expected 0600)");
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    for content in ["", "\n", "hunter2\n", &text[1..], &format!("{text}{text}")] {
        write(&path, content).unwrap();
        rejected("does not contain a token");
    }
    write(&path, [0xff; 64]).unwrap();
    rejected("does not contain a token");

    std::fs::remove_file(&path).unwrap();
    create_dir(&path).unwrap();
    rejected("is not a regular file");
    std::fs::remove_dir(&path).unwrap();
    // The target of the link is a valid token file, but not the file that a start created.
    let other = root.path().join("other");
    write(&other, &text).unwrap();
    set_permissions(&other, Permissions::from_mode(0o600)).unwrap();
    symlink(&other, &path).unwrap();
    rejected("is not a regular file");
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    rejected("is not a regular file");
}

#[test]
fn each_fault_of_a_token_file_names_the_file_and_the_way_on() {
    let new = "remove it, and the next start of the connector creates a new one";
    let same_user = "run the command as the user of the connector";
    for (fault, way) in [
        (Fault::Kind, new),
        (Fault::Owner(7), same_user),
        (Fault::Mode(0o640), new),
        (Fault::Content, new),
        (Fault::Denied, same_user),
        (Fault::Read(io::Error::other("reason")), new),
    ] {
        let error = TokenFileError {
            path: "/run/walcast/shop.token".into(),
            fault,
        };
        let text = error.to_string();
        assert!(
            text.starts_with("the admin token file /run/walcast/shop.token ")
                && text.ends_with(&format!("; {way}, or set token_file in [admin]")),
            "{text}"
        );
    }
}
