//! Redaction of texts from outside: they are shown without the client's credentials, and cut to a limit.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use reqwest::Url;

use crate::config::{RegistryAuth, RegistryConfig};
use crate::properties::REDACTED;

/// Limit of a text that is shown: a registry's message fits, an HTML page does not.
pub(super) const SHOWN_BYTES_MAX: usize = 1 << 10;

/// Secrets that must not be shown.
#[derive(Clone)]
pub(super) struct Redaction {
    /// Secrets in order of decreasing length: one may be part of another.
    secrets: Vec<String>,
}

impl Redaction {
    /// Collects the credentials in plain text and as encoded in headers: a gateway may quote either.
    pub(super) fn new(config: &RegistryConfig) -> Self {
        let mut secrets = Vec::new();
        match &config.auth {
            RegistryAuth::None => {}
            RegistryAuth::Basic { user, password } => add_basic(&mut secrets, user, password.reveal()),
            RegistryAuth::Bearer { token } => secrets.push(token.reveal().to_owned()),
        }
        if let Some(proxy) = config
            .proxy
            .as_ref()
            .and_then(|proxy| Url::parse(proxy.reveal()).ok())
            && let Some(password) = proxy.password()
        {
            let decoded = |text: &str| percent_decoded(text);
            add_basic(&mut secrets, &decoded(proxy.username()), &decoded(password));
            secrets.push(password.to_owned());
        }
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// Text without the secrets.
    pub(super) fn redacted(&self, text: &str) -> String {
        let whole = text.trim().to_owned();
        self.secrets
            .iter()
            .fold(whole, |text, secret| text.replace(secret, REDACTED))
    }

    /// Text without the secrets, cut to the limit. Redaction comes first: a secret that is cut in half would not be found.
    pub(super) fn shown(&self, text: &str) -> String {
        let mut text = self.redacted(text);
        if text.len() > SHOWN_BYTES_MAX {
            let whole = text.len();
            text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
            text.push_str(&format!("… ({whole} bytes in all)"));
        }
        text
    }
}

fn add_basic(secrets: &mut Vec<String>, user: &str, password: &str) {
    let pair = format!("{user}:{password}");
    secrets.push(STANDARD.encode(&pair));
    secrets.push(STANDARD_NO_PAD.encode(&pair));
    secrets.push(URL_SAFE_NO_PAD.encode(&pair));
    secrets.push(password.to_owned());
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use walcast_mapper::Secret;

    use super::*;
    use crate::config::RegistryTls;

    fn redaction(auth: RegistryAuth, proxy: Option<&str>) -> Redaction {
        Redaction::new(&RegistryConfig {
            url: "http://registry".to_owned(),
            auth,
            tls: RegistryTls::default(),
            proxy: proxy.map(Secret::new),
            auto_register: true,
        })
    }

    #[test]
    fn redacts_credentials_in_every_form_in_which_they_are_sent() {
        let basic = RegistryAuth::Basic {
            user: "u".to_owned(),
            password: Secret::new("SECRET1"),
        };
        let redaction = redaction(basic, Some("http://p:pro%2Fxy@proxy:3128"));
        for quoted in [
            "bad credentials: Basic dTpTRUNSRVQx",
            "u:SECRET1",
            "a proxy says cDpwcm8veHk=, cDpwcm8veHk, pro%2Fxy and pro/xy",
        ] {
            let shown = redaction.shown(quoted);
            assert!(shown.contains(REDACTED), "{shown}");
            for secret in ["dTpT", "SECRET1", "cDpwcm8", "xy"] {
                assert!(!shown.replace("proxy", "").contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn cuts_a_long_text_after_redaction() {
        let token = RegistryAuth::Bearer {
            token: Secret::new("SECRET2"),
        };
        let redaction = redaction(token, None);
        let text = format!(
            "{}SECRET2{}",
            "ä".repeat(SHOWN_BYTES_MAX / 2 - 2),
            "x".repeat(5 << 20)
        );
        let shown = redaction.shown(&text);
        assert!(
            shown.len() < SHOWN_BYTES_MAX + 64 && !shown.contains("SEC"),
            "{shown}"
        );
        assert_eq!(redaction.shown(" short \n"), "short");
    }
}
