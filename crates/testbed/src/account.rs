//! Which account servers run as: Postgres refuses to run as root, so under root it runs as `nobody`.

use std::os::unix::fs::chown;
use std::path::Path;

use crate::error::{Result, file_error};

/// User and group id of the account `nobody` where `/etc/passwd` does not name it (the kernel's overflow id).
const OVERFLOW_ID: u32 = 65534;

/// An unprivileged account for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account to switch to, or `None` when this process is not root and so cannot and need not switch.
    pub(crate) fn for_servers() -> Option<Account> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Some(unprivileged(&passwd).unwrap_or(Account {
            uid: OVERFLOW_ID,
            gid: OVERFLOW_ID,
        }))
    }

    /// Gives a folder and everything in it to the account.
    pub(crate) fn take_over(self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(file_error("change the owner of", path))?;
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(file_error("list", path))? {
                self.take_over(&entry.map_err(file_error("list", path))?.path())?;
            }
        }
        Ok(())
    }
}

fn unprivileged(passwd: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.starts_with("nobody:"))?;
    let mut ids = line.split(':').skip(2);
    Some(Account {
        uid: ids.next()?.parse().ok()?,
        gid: ids.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unprivileged_account_among_others() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:99:98:nobody:/:/sbin/nologin\n";
        assert_eq!(unprivileged(passwd), Some(Account { uid: 99, gid: 98 }));
        assert_eq!(unprivileged("root:x:0:0:root:/root:/bin/sh\n"), None);
    }
}
