//! Stored admin token: created at startup, and found by commands of the same user.
//!
//! Only the owner can read the file, and no other user can write to its directory. The file is created atomically and never
//! rewritten, and symbolic links are not followed: another user who could place a file there cannot choose the token.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use walcast_mapper::Secret;

use super::token_places::Place;

/// Length of the token: 256 bits cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// Maximum number of bytes that are read: more than a token and its line break.
const FILE_BYTES_MAX: u64 = 1024;

/// A token file exists, and its content cannot be trusted or used.
#[derive(Debug, thiserror::Error)]
#[error("the admin token file {} {fault}; {}, or set token_file in [admin]", path.display(), fault.remedy())]
pub(crate) struct TokenFileError {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("is not a regular file")]
    Kind,
    #[error("belongs to the user with the id {0}, not to the current user")]
    Owner(u32),
    #[error("can be read or written by others (mode {0:04o}, expected 0600)")]
    Mode(u32),
    #[error("does not contain a token of walcast")]
    Content,
    #[error("is not readable by the current user")]
    Denied,
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl Fault {
    fn remedy(&self) -> &'static str {
        match self {
            Fault::Denied | Fault::Owner(_) => "run the command as the user of the connector",
            Fault::Kind | Fault::Mode(_) | Fault::Content | Fault::Read(_) => {
                "remove it, and the next start of the connector creates a new one"
            }
        }
    }
}

/// Token and the file that contains it.
#[derive(Debug)]
pub(crate) struct StoredToken {
    pub(crate) token: Secret,
    pub(crate) path: PathBuf,
}

/// Directory in which no token can be stored, and the reason.
#[derive(Debug)]
pub(crate) struct Unusable {
    path: PathBuf,
    reason: io::Error,
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.reason)
    }
}

/// Reads the token of the first usable place, or creates it there; returns the reasons if no place is usable.
///
/// # Errors
/// A token file exists and cannot be used.
pub(crate) fn ensure(places: &[Place]) -> Result<Result<StoredToken, Vec<Unusable>>, TokenFileError> {
    let mut unusable = Vec::new();
    for place in places {
        let directory = match prepare(place) {
            Ok(directory) => directory,
            Err(reason) => {
                unusable.push(Unusable {
                    path: place.directory(),
                    reason,
                });
                continue;
            }
        };
        if let Some(stored) = read(&directory, place, Owner::CurrentUser)? {
            return Ok(Ok(stored));
        }
        match create(&directory, &place.file) {
            // Another instance may have created the file first: its token is used.
            Ok(()) | Err(Errno::EXIST) => {
                if let Some(stored) = read(&directory, place, Owner::CurrentUser)? {
                    return Ok(Ok(stored));
                }
            }
            Err(reason) => unusable.push(Unusable {
                path: place.directory(),
                reason: reason.into(),
            }),
        }
    }
    Ok(Err(unusable))
}

/// Reads the token of the first place that has one.
///
/// # Errors
/// A token file exists and cannot be used.
pub(crate) fn find(places: &[Place]) -> Result<Option<StoredToken>, TokenFileError> {
    // The superuser may read the token of every user's connector.
    let owner = if rustix::process::geteuid().is_root() {
        Owner::AnyUser
    } else {
        Owner::CurrentUser
    };
    for place in places {
        let Ok(directory) = open_directory(&place.directory()) else {
            continue;
        };
        if let Some(stored) = read(&directory, place, owner)? {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    CurrentUser,
    AnyUser,
}

/// Directory of a place, created where its base exists; it must belong to the current user, and no other user may write to it.
fn prepare(place: &Place) -> io::Result<OwnedFd> {
    let path = place.directory();
    if place.base.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    }
    let directory = open_directory(&path)?;
    let status = rustix::fs::fstat(&directory)?;
    if status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("belongs to another user"));
    }
    if status.st_mode & 0o022 != 0 {
        return Err(io::Error::other("writable by other users"));
    }
    Ok(directory)
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

fn read(directory: &OwnedFd, place: &Place, owner: Owner) -> Result<Option<StoredToken>, TokenFileError> {
    let failed = |fault| TokenFileError {
        path: place.path(),
        fault,
    };
    // Without NONBLOCK, opening a named pipe would block.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, &place.file, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(failed(Fault::Kind)),
        Err(Errno::ACCESS) => return Err(failed(Fault::Denied)),
        Err(error) => return Err(failed(Fault::Read(error.into()))),
    };
    let token = checked(file, owner).map_err(failed)?;
    Ok(Some(StoredToken {
        token,
        path: place.path(),
    }))
}

fn checked(file: File, owner: Owner) -> Result<Secret, Fault> {
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(Fault::Kind);
    }
    if owner == Owner::CurrentUser && status.uid() != rustix::process::geteuid().as_raw() {
        return Err(Fault::Owner(status.uid()));
    }
    let mode = status.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Fault::Mode(mode));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|_| Fault::Content)?;
    let token = text.trim_end_matches('\n');
    let is_token = token.len() == 2 * TOKEN_BYTES && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_token.then(|| Secret::new(token)).ok_or(Fault::Content)
}

/// Creates the file. It is written under another name first, so that it never exists without its token.
fn create(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    let token = random_hex()?;
    let draft = format!(".{name}.{}", &random_hex()?[..16]);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, &draft, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(file);
    let written = file
        .write_all(format!("{token}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let named =
        written.and_then(|()| rustix::fs::linkat(directory, &draft, directory, name, AtFlags::empty()));
    let removed = rustix::fs::unlinkat(directory, &draft, AtFlags::empty());
    named.and(removed)
}

fn random_hex() -> Result<String, Errno> {
    let mut bytes = [0; TOKEN_BYTES];
    let filled = rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty())?;
    // The system fills up to 256 bytes completely.
    if filled != TOKEN_BYTES {
        return Err(Errno::IO);
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
