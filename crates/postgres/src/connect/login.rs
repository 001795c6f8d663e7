//! Limits on the messages of a server before the session is ready.
//!
//! Until then neither side is authenticated: the peer can be any program that listens on the port, or a man in the middle. So every
//! byte is inspected before the client library or this crate's own code reads it, on both kinds of connection:
//!
//! ```text
//! socket ─▶ TLS ─▶ Login: lengths, number of messages, authentication method ─▶ tokio-postgres, or `Wire`
//! ```
//!
//! A message that violates a rule fails the read that received it, so that no response to it, above all no password, is sent. After
//! the first `ReadyForQuery` only the lengths of messages are inspected (`MessageLengths`).

use std::io;

use super::require_auth::{AuthMethod, RequireAuth};

/// The longest message before authentication has ended, as in libpq (`fe-connect.c`, `PQconnectPoll`: an error of more than
/// 30,000 bytes is not one of Postgres's), and the longest request for authentication.
pub(super) const MESSAGE_BYTES_MAX: usize = 30_000;
const REQUEST_BYTES_MAX: usize = 2_000;

/// Limit of messages before a session is ready, or in the answer to one command: a server sends about fifteen settings, and a few
/// notices where there are login triggers.
pub(super) const MESSAGES_MAX: u32 = 1_000;

/// Limit of bytes of these messages.
pub(super) const BYTES_MAX: usize = 1024 * 1024;

/// Violation of a rule by a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFault {
    /// A message is longer than any of a Postgres server at this point.
    #[error(
        "sent message '{}' of {bytes} bytes before the login ended, where at most {limit} are allowed; is this a Postgres server?",
        tag.escape_ascii()
    )]
    MessageTooLong {
        /// Tag of the message.
        tag: u8,
        /// Announced length of the message.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
    /// A message is longer than any of a Postgres server once the session is ready.
    #[error(
        "sent message '{}' of {bytes} bytes, where at most {limit} are allowed; is this a Postgres server?",
        tag.escape_ascii()
    )]
    AnswerTooLong {
        /// Tag of the message.
        tag: u8,
        /// Announced length of the message.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
    /// The server sent too many messages.
    #[error(
        "sent more than {MESSAGES_MAX} messages or {BYTES_MAX} bytes before the login ended; is this a Postgres server?"
    )]
    TooMuch,
    /// `require_auth` excludes the requested method, or a connection without authentication.
    #[error(
        "{}, but require_auth={required} does not allow that; change the method in pg_hba.conf, or require_auth in the connection string",
        asked_for(*asked)
    )]
    NotAllowed {
        /// Requested method.
        asked: AuthMethod,
        /// `require_auth` as configured.
        required: String,
    },
    /// An unverified server requests the cleartext password.
    #[error(
        "asks for the password in cleartext, but sslmode={mode} does not verify that it is the right server, so the password is not sent; \
         use scram-sha-256 in pg_hba.conf, or set sslmode=verify-full and sslrootcert, or allow it with require_auth=password in the \
         connection string"
    )]
    Cleartext {
        /// `sslmode`.
        mode: &'static str,
    },
}

fn asked_for(method: AuthMethod) -> String {
    match method {
        AuthMethod::None => "lets the role in without authentication".to_owned(),
        other => format!("asks for {other} authentication"),
    }
}

impl LoginFault {
    /// Violated rule that a failed read holds, if there is one.
    pub(super) fn of(error: &io::Error) -> Option<&LoginFault> {
        error.get_ref()?.downcast_ref()
    }
}

/// Authentication methods that a server may request on one connection.
#[derive(Clone, Debug)]
pub(super) struct AuthPolicy {
    /// Name of the server in warnings.
    pub(super) endpoint: String,
    pub(super) required: Option<RequireAuth>,
    /// Whether the connection crosses a network and the server is not verified.
    pub(super) is_unverified: bool,
    pub(super) is_encrypted: bool,
    /// `sslmode`.
    pub(super) mode: &'static str,
}

impl AuthPolicy {
    fn judge(&self, asked: AuthMethod) -> Result<(), LoginFault> {
        if let Some(required) = self.required.as_ref().filter(|required| !required.allows(asked)) {
            return Err(LoginFault::NotAllowed {
                asked,
                required: required.to_string(),
            });
        }
        let is_named = |method| {
            self.required
                .as_ref()
                .is_some_and(|required| required.names(method))
        };
        if asked == AuthMethod::Password && self.is_unverified && !is_named(AuthMethod::Password) {
            return Err(LoginFault::Cleartext { mode: self.mode });
        }
        let is_readable_by_others = self.is_unverified && !self.is_encrypted;
        if is_readable_by_others && matches!(asked, AuthMethod::Password | AuthMethod::Md5) {
            tracing::warn!(
                endpoint = self.endpoint,
                method = %asked,
                "the password can be read or guessed by any host that sees the connection; use scram-sha-256 in pg_hba.conf, or TLS"
            );
        }
        Ok(())
    }
}

/// Number of messages and bytes that may still be received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    messages: u32,
    bytes: usize,
}

impl Allowance {
    pub(super) fn full() -> Self {
        Self {
            messages: MESSAGES_MAX,
            bytes: BYTES_MAX,
        }
    }

    /// Subtracts a message; `None` when it exceeds the allowance.
    pub(super) fn take(&mut self, bytes: usize) -> Option<()> {
        self.messages = self.messages.checked_sub(1)?;
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

/// Size of tag and length.
const HEADER_BYTES: usize = 5;
/// Size of the kind of authentication, which follows them.
const KIND_BYTES: usize = 4;

/// Inspection of a server's messages until the session is ready.
#[derive(Debug)]
pub(super) struct Login {
    policy: AuthPolicy,
    allowance: Allowance,
    /// Whether a method was requested, or authentication has succeeded without one.
    is_judged: bool,
    is_authenticated: bool,
    /// Beginning of the current message.
    head: Vec<u8>,
    /// Number of bytes of the current message that are still missing after its header.
    rest: usize,
}

impl Login {
    pub(super) fn new(policy: AuthPolicy) -> Self {
        Self {
            policy,
            allowance: Allowance::full(),
            is_judged: false,
            is_authenticated: false,
            head: Vec::with_capacity(HEADER_BYTES + KIND_BYTES),
            rest: 0,
        }
    }

    /// Inspects received bytes. When the session is ready, returns the bytes after that, which are not inspected.
    ///
    /// # Errors
    /// A message that is not allowed here. None of the bytes may be used.
    pub(super) fn inspect<'b>(&mut self, mut arrived: &'b [u8]) -> Result<Option<&'b [u8]>, LoginFault> {
        loop {
            if self.head.len() < HEADER_BYTES {
                self.take_head(&mut arrived, HEADER_BYTES);
                let Some((&[tag, l0, l1, l2, l3], _)) = self.head.split_first_chunk() else {
                    return Ok(None);
                };
                // The length includes itself. A smaller one is rejected where the message is parsed.
                let length = u32::from_be_bytes([l0, l1, l2, l3]);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                self.judge_length(tag, length)?;
                self.rest = length.saturating_sub(HEADER_BYTES - 1);
            }
            let tag = self.head.first().copied().unwrap_or_default();
            if tag == b'R' && self.head.len() < HEADER_BYTES + KIND_BYTES {
                let before = self.head.len();
                self.take_head(&mut arrived, (HEADER_BYTES + KIND_BYTES).min(before + self.rest));
                self.rest -= self.head.len() - before;
                if let Some((_, kind)) = self.head.split_last_chunk::<KIND_BYTES>()
                    && self.head.len() == HEADER_BYTES + KIND_BYTES
                {
                    self.judge_request(u32::from_be_bytes(*kind))?;
                }
            }
            let passed = self.rest.min(arrived.len());
            arrived = arrived.get(passed..).unwrap_or_default();
            self.rest -= passed;
            if self.rest > 0 {
                return Ok(None);
            }
            self.head.clear();
            if tag == b'Z' {
                return Ok(Some(arrived));
            }
        }
    }

    /// Moves bytes to the head until it has `wanted` bytes, or until none are left.
    fn take_head(&mut self, arrived: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.head.len()).min(arrived.len());
        let (taken, left) = arrived.split_at(missing);
        self.head.extend_from_slice(taken);
        *arrived = left;
    }

    fn judge_length(&mut self, tag: u8, length: usize) -> Result<(), LoginFault> {
        let limit = match tag {
            b'R' => REQUEST_BYTES_MAX,
            _ if self.is_authenticated => BYTES_MAX,
            _ => MESSAGE_BYTES_MAX,
        };
        if length > limit {
            return Err(LoginFault::MessageTooLong {
                tag,
                bytes: length,
                limit,
            });
        }
        self.allowance.take(length).ok_or(LoginFault::TooMuch)
    }

    fn judge_request(&mut self, kind: u32) -> Result<(), LoginFault> {
        let asked = match kind {
            0 => {
                self.is_authenticated = true;
                if self.is_judged {
                    return Ok(());
                }
                AuthMethod::None
            }
            3 => AuthMethod::Password,
            5 => AuthMethod::Md5,
            // SCRAM-SHA-256 is the only SASL mechanism that this crate supports.
            10 => AuthMethod::ScramSha256,
            // Further messages of the requested method.
            8 | 11 | 12 if self.is_judged => return Ok(()),
            7 | 8 => AuthMethod::Gss,
            9 => AuthMethod::Sspi,
            _ => AuthMethod::Unknown,
        };
        self.is_judged = true;
        self.policy.judge(asked)
    }
}

#[cfg(test)]
mod tests;
