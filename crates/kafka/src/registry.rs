//! Registers schemas with a registry that speaks Confluent's REST API.

mod difference;
mod tls;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{SrSettings, perform_sr_call, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SrCall, SuppliedSchema};
use walcast_delivery::{BoxedFault, Fault, SchemaRegistry};
use walcast_mapper::SchemaId;

use crate::{RegistryAuth, RegistryConfig};

pub use difference::SchemaChanges;

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How often it is asked whether the registry answers, while connections to it are closed without a word.
const PROBES_CUT_OFF_MAX: u32 = 10;

/// A subject nobody has: asking for it shows whether the registry answers and lets us in.
const NOBODYS_SUBJECT: &str = "walcast-check";

/// Where in its own text the client library gives the HTTP status.
const STATUS_FOLLOWS: &str = "with status ";

/// A failure of the schema registry. Credentials are in none of the texts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The address cannot be used.
    #[error("[registry] url {what}")]
    Address {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The HTTP client cannot be set up.
    #[error("the client of the schema registry cannot be set up: {reason}")]
    Client {
        /// Its words.
        reason: String,
    },
    /// A file with certificates or a key cannot be used.
    #[error("[registry] {key} {} cannot be used: {reason}", path.display())]
    TlsFile {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong; nothing of what the file holds.
        reason: String,
    },
    /// One of the two does not believe the other's certificate, or one does not speak TLS.
    #[error(
        "TLS with {url} failed: {reason}; check ca_file, certificate_file and key_file of [registry], and that its url names the host \
         as the certificate does"
    )]
    Tls {
        /// The base address.
        url: String,
        /// The TLS library's words.
        reason: String,
    },
    /// Nobody answers.
    #[error("no answer from {url}: {reason}; check [registry] url and that the registry runs")]
    Unreachable {
        /// The base address.
        url: String,
        /// The system's words.
        reason: String,
    },
    /// The registry does not let us in, or not do this.
    #[error(
        "{url} refuses access (status {status}): {message}; check the user, password or token of [registry]"
    )]
    Unauthorized {
        /// The base address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        message: String,
    },
    /// The schema does not fit the subject's compatibility rule.
    #[error(
        "{url} refuses the schema for subject {subject} as incompatible with an earlier version: {message}{changes}; \
         change the subject's compatibility level, or the table, then start again, or set on_incompatible = \"new_subject\" in [registry]"
    )]
    Incompatible {
        /// The base address.
        url: String,
        /// The subject.
        subject: String,
        /// The registry's words.
        message: String,
        /// What is another than in the subject's latest version.
        changes: SchemaChanges,
    },
    /// The registry does not take the schema.
    #[error("{url} refuses the schema for subject {subject} (status {status}): {message}")]
    Refused {
        /// The base address.
        url: String,
        /// The subject.
        subject: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        message: String,
    },
    /// There is no such interface.
    #[error(
        "{url} is no Confluent schema registry interface (status 404): {message}; check the path of [registry] url"
    )]
    NotFound {
        /// The base address.
        url: String,
        /// The registry's words.
        message: String,
    },
    /// The registry itself has a problem.
    #[error("{url} has a problem of its own (status {status}): {message}")]
    Broken {
        /// The base address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        message: String,
    },
    /// The answer is not what a registry answers.
    #[error("{url} answers what cannot be understood: {reason}; check [registry] url")]
    Strange {
        /// The base address.
        url: String,
        /// What is strange.
        reason: String,
    },
}

impl Fault for RegistryError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            // A certificate that is not believed now is not believed later.
            Self::Address { .. }
            | Self::Client { .. }
            | Self::TlsFile { .. }
            | Self::Tls { .. }
            | Self::Unauthorized { .. }
            | Self::Incompatible { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::Strange { .. } => false,
        }
    }

    fn is_incompatible(&self) -> bool {
        matches!(self, Self::Incompatible { .. })
    }

    fn halts(&self) -> bool {
        matches!(self, Self::Incompatible { .. } | Self::Refused { .. })
    }
}

/// Registers Avro schemas and remembers their ids.
pub struct Registry {
    url: String,
    settings: SrSettings,
    ids: HashMap<(String, String), SchemaId>,
}

impl Registry {
    /// Makes a client; nothing is connected yet.
    ///
    /// # Errors
    /// Files of certificates that cannot be used; an address that cannot be used, or one with credentials in it: those belong into settings of their own, since
    /// addresses are printed.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let url = config.url.trim_end_matches('/').to_owned();
        check_address(&url)?;
        let mut settings = SrSettings::new_builder(url.clone());
        settings.set_timeout(CALL_LIMIT);
        match &config.auth {
            RegistryAuth::None => {}
            RegistryAuth::Basic { user, password } => {
                settings.set_basic_authorization(user, Some(password.expose()));
            }
            RegistryAuth::Bearer { token } => {
                settings.set_token_authorization(token.expose());
            }
        }
        let settings = settings
            .build_with(tls::client(&config.tls)?)
            .map_err(|error| RegistryError::Client { reason: error.error })?;
        Ok(Self {
            url,
            settings,
            ids: HashMap::new(),
        })
    }

    /// Whether the registry answers and lets us read.
    ///
    /// # Errors
    /// As of registering.
    pub async fn probe(&self) -> Result<(), RegistryError> {
        let ask = || perform_sr_call(&self.settings, SrCall::GetLatest(NOBODYS_SUBJECT));
        let mut answer = ask().await;
        // A server that does not like our certificate says so when the connection stands already, and may have closed it before
        // that was read.
        for _ in 1..PROBES_CUT_OFF_MAX {
            if !answer.as_ref().is_err_and(|error| tls::was_cut_off(error)) {
                break;
            }
            answer = ask().await;
        }
        match answer {
            Ok(_) => Ok(()),
            // A registry that does not know the subject says so in its own words; a web server does not.
            Err(error)
                if status(&error) == Some(404) && raw(&error).is_some_and(|raw| raw.error_code != 0) =>
            {
                Ok(())
            }
            Err(error) => Err(self.explain(NOBODYS_SUBJECT, &error)),
        }
    }

    async fn id(&mut self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        let entry = (subject.to_owned(), schema.to_owned());
        if let Some(id) = self.ids.get(&entry) {
            return Ok(*id);
        }
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, without_quoted_braces(schema));
        let registered = post_schema(&self.settings, subject.to_owned(), supplied).await;
        let id = match registered {
            Ok(registered) => SchemaId::new(registered.id),
            Err(error) => return Err(self.compare(self.explain(subject, &error), schema).await),
        };
        self.ids.insert(entry, id);
        Ok(id)
    }

    /// Adds to a refusal what has changed. A latest version that cannot be had leaves the registry's own words.
    async fn compare(&self, mut refusal: RegistryError, schema: &str) -> RegistryError {
        if let RegistryError::Incompatible { subject, changes, .. } = &mut refusal
            && let Ok(latest) = perform_sr_call(&self.settings, SrCall::GetLatest(subject)).await
            && let Some(latest) = latest.schema
        {
            *changes = SchemaChanges::between(&latest, schema);
        }
        refusal
    }

    fn explain(&self, subject: &str, error: &SRCError) -> RegistryError {
        let (url, subject) = (self.url.clone(), subject.to_owned());
        let Some(status) = status(error) else {
            let reason = innermost(error);
            return if tls::is_to_blame(error) {
                RegistryError::Tls { url, reason }
            } else if error.retriable {
                RegistryError::Unreachable { url, reason }
            } else {
                RegistryError::Strange { url, reason }
            };
        };
        let message = match raw(error) {
            Some(raw) if raw.error_code != 0 => raw.message.trim().to_owned(),
            _ => "no reason given".to_owned(),
        };
        match status {
            401 | 403 | 407 => RegistryError::Unauthorized { url, status, message },
            404 => RegistryError::NotFound { url, message },
            408 | 429 | 500.. => RegistryError::Broken { url, status, message },
            409 => RegistryError::Incompatible {
                url,
                subject,
                message,
                changes: SchemaChanges::default(),
            },
            _ => RegistryError::Refused {
                url,
                subject,
                status,
                message,
            },
        }
    }
}

impl SchemaRegistry for Registry {
    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedFault> {
        Ok(self.id(subject, schema).await?)
    }

    fn forget(&mut self) {
        self.ids.clear();
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn check_address(url: &str) -> Result<(), RegistryError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(RegistryError::Address {
            what: "must begin with http:// or https://",
        });
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(RegistryError::Address {
            what: "must begin with http:// or https://",
        });
    }
    if authority.contains('@') {
        return Err(RegistryError::Address {
            what: "must not hold credentials; set user and password of [registry]",
        });
    }
    if authority.is_empty() {
        return Err(RegistryError::Address {
            what: "names no host",
        });
    }
    Ok(())
}

/// The HTTP status, which the client library gives only inside of its text.
fn status(error: &SRCError) -> Option<u16> {
    let (_, after) = error.error.split_once(STATUS_FOLLOWS)?;
    after.split(' ').next()?.parse().ok()
}

/// What the registry itself said.
fn raw(error: &SRCError) -> Option<&RawError> {
    Error::source(error)?.downcast_ref()
}

/// The cause of the cause: the outer ones repeat the address and say that something failed.
fn innermost(error: &SRCError) -> String {
    tls::causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// The same JSON without the characters `"{}"`, which are the default of many a `jsonb` column.
///
/// Apicurio takes the quotes off before it looks what kind of schema a text is (its `AvroContentAccepter`), finds none, and
/// refuses it.
fn without_quoted_braces(schema: &str) -> String {
    schema.replace("\"{}\"", "\"\\u007b}\"")
}
