//! Client of a schema registry with Confluent's REST API.
//!
//! The requests are made by `schema_registry_converter`. Their responses pass through [`response`] first, which bounds their size
//! and keeps the HTTP status as a number: that crate reads bodies of any length, and has the status in a text only.

mod address;
mod difference;
mod error;
mod known_paths;
mod levels;
mod lookup;
mod reading;
mod redaction;
mod response;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Proxy};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, perform_sr_call, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};
use walcast_delivery::{BoxedPortError, LatestSchema, SchemaRegistry};
use walcast_mapper::SchemaId;

use self::redaction::Redaction;
use self::response::{BoundedResponses, ResponseError};
use crate::config::{RegistryAuth, RegistryConfig};

pub use difference::SchemaChanges;
pub use error::{AddressProblem, Registration, RegistryError, TlsFile};
pub use levels::CompatibilityLevels;
pub use reading::SubjectVersion;

/// Time limit of one request, its response included.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Time limit of connecting, which is part of [`CALL_LIMIT`].
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Number of probes while the registry closes connections without a response.
const PROBES_CLOSED_EARLY_MAX: u32 = 10;

/// Codes of Confluent's interface for an unknown subject, version or schema. Other web servers, and the other interfaces of
/// Apicurio's registry, return 404 itself or no code.
const UNKNOWN_CODES: RangeInclusive<u32> = 40_401..=40_499;

/// Bytes of the subjects and schemas whose ids are remembered: the writers of an outbox have schemas registered. One that was forgotten is
/// registered again, which gives the same id.
const REMEMBERED_BYTES_MAX: usize = 64 << 20;

/// Subject of the probe. It does not exist: its 404 shows that the registry answers and that authentication succeeds.
const PROBE_SUBJECT: &str = "walcast-check";

/// Schema registry client, which registers Avro schemas or looks them up, and caches their ids.
pub struct Registry {
    url: String,
    config: RegistryConfig,
    settings: SrSettings,
    redaction: Redaction,
    ids: HashMap<(String, String), SchemaId>,
    /// Bytes of the subjects and schemas whose ids are remembered.
    remembered_bytes: usize,
}

impl Registry {
    /// Creates a client, without connecting.
    ///
    /// # Errors
    /// A certificate or key file cannot be used; a URL cannot be used, or holds credentials. Credentials are separate settings,
    /// because URLs are printed.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let url = config.url.trim_end_matches('/').to_owned();
        address::check(&url)?;
        let client = Self::http_client(config)?;
        let mut settings = SrSettings::new_builder(url.clone());
        settings.set_timeout(CALL_LIMIT);
        match &config.auth {
            RegistryAuth::None => {}
            RegistryAuth::Basic { user, password } => {
                settings.set_basic_authorization(user, Some(password.reveal()));
            }
            RegistryAuth::Bearer { token } => {
                settings.set_token_authorization(token.reveal());
            }
        }
        settings.with_middleware(BoundedResponses);
        let settings = settings
            .build_with(client)
            .map_err(|error| RegistryError::Client { reason: error.error })?;
        Ok(Self {
            url,
            config: config.clone(),
            settings,
            redaction: Redaction::new(config),
            ids: HashMap::new(),
            remembered_bytes: 0,
        })
    }

    /// Builder of an HTTP client with the certificates and the proxy of the configuration.
    fn http_client(config: &RegistryConfig) -> Result<ClientBuilder, RegistryError> {
        let mut client = tls::client(config)?
            .connect_timeout(CONNECT_LIMIT)
            .redirect(Policy::none())
            // A short compressed response may decompress to a long one.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // The proxies of the environment are those of other programs.
            .no_proxy();
        if let Some(proxy) = &config.proxy {
            address::check_proxy(proxy.reveal())?;
            client = client.proxy(Proxy::all(proxy.reveal()).map_err(|_| RegistryError::Proxy {
                problem: "cannot be used",
            })?);
        }
        Ok(client)
    }

    /// Checks that the registry answers and that authentication succeeds.
    ///
    /// # Errors
    /// The errors of registering.
    pub async fn probe(&self) -> Result<(), RegistryError> {
        match self.probe_once().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.with_known_path(error).await),
        }
    }

    async fn probe_once(&self) -> Result<(), RegistryError> {
        let probe = || perform_sr_call(&self.settings, SrCall::GetLatest(PROBE_SUBJECT));
        let mut response = probe().await;
        // A server that rejects the client certificate does so after the handshake, and may have closed the connection before the
        // alert was read.
        for _ in 1..PROBES_CLOSED_EARLY_MAX {
            if !response.as_ref().is_err_and(|error| tls::was_closed_early(error)) {
                break;
            }
            response = probe().await;
        }
        match response {
            // The subject exists after all.
            Ok(found) if found.schema.is_some() => Ok(()),
            Ok(_) => Err(RegistryError::UnexpectedAnswer {
                url: self.url.clone(),
                reason: format!("it answers the request for subject {PROBE_SUBJECT} without a schema"),
            }),
            Err(error) => match response_error(&error) {
                Some(ResponseError::Status {
                    status: 404, code, ..
                }) if UNKNOWN_CODES.contains(code) => Ok(()),
                _ => Err(self.explain(PROBE_SUBJECT, &error)),
            },
        }
    }

    async fn id(&mut self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        let entry = (subject.to_owned(), schema.to_owned());
        if let Some(id) = self.ids.get(&entry) {
            return Ok(*id);
        }
        let found = match self.config.auto_register {
            true => self.register_or_look_up(subject, schema).await,
            false => self.look_up(subject, schema, Registration::Disabled).await,
        };
        let id = match found {
            Ok(id) => id,
            Err(error) => return Err(self.with_known_path(error).await),
        };
        let bytes = subject.len() + schema.len();
        if self.remembered_bytes + bytes > REMEMBERED_BYTES_MAX {
            SchemaRegistry::forget(self);
        }
        self.remembered_bytes += bytes;
        self.ids.insert(entry, id);
        Ok(id)
    }

    /// Registers a schema, or looks it up where the registry denies registering: a pipeline may have registered it.
    async fn register_or_look_up(&self, subject: &str, schema: &str) -> Result<SchemaId, RegistryError> {
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, without_quoted_braces(schema));
        let error = match post_schema(&self.settings, subject.to_owned(), supplied).await {
            Ok(registered) => return Ok(SchemaId::new(registered.id)),
            Err(error) => self.explain(subject, &error),
        };
        match error {
            RegistryError::Unauthorized {
                status: 403, message, ..
            } => {
                let denied = Registration::Denied { message };
                self.look_up(subject, schema, denied).await
            }
            other => Err(self.compare(other, schema).await),
        }
    }

    /// Adds the schema's changes to a rejection. Without the latest version the rejection stays as it is.
    async fn compare(&self, mut rejection: RegistryError, schema: &str) -> RegistryError {
        if let RegistryError::Incompatible { subject, changes, .. } = &mut rejection
            && let Ok(latest) = perform_sr_call(&self.settings, SrCall::GetLatest(subject)).await
            && let Some(latest) = latest.schema
        {
            *changes = SchemaChanges::between(&self.redaction.redacted(&latest), schema);
        }
        rejection
    }

    fn explain(&self, subject: &str, error: &SRCError) -> RegistryError {
        let (url, subject) = (self.url.clone(), subject.to_owned());
        let (status, message) = match response_error(error) {
            Some(ResponseError::Status { status, message, .. }) => (*status, message.as_deref()),
            Some(ResponseError::Redirected { status, to }) => {
                return RegistryError::Redirected {
                    url,
                    status: *status,
                    to: self.redaction.shown(to),
                };
            }
            Some(ResponseError::Oversized) => {
                return RegistryError::Oversized {
                    url,
                    limit: response::RESPONSE_BYTES_MAX,
                };
            }
            None => {
                let reason = self.redaction.shown(&tls::innermost(error));
                return if tls::is_tls_failure(error) {
                    RegistryError::Tls { url, reason }
                } else if error.retriable {
                    RegistryError::Unreachable { url, reason }
                } else {
                    RegistryError::UnexpectedAnswer { url, reason }
                };
            }
        };
        let message = message.map_or_else(|| "no reason given".to_owned(), |text| self.redaction.shown(text));
        match status {
            401 | 403 | 407 => RegistryError::Unauthorized { url, status, message },
            404 => RegistryError::NotFound {
                url,
                message,
                answers_at: None,
            },
            408 | 429 | 500.. => RegistryError::ServerError { url, status, message },
            409 => RegistryError::Incompatible {
                url,
                subject,
                message,
                changes: SchemaChanges::default(),
            },
            _ => RegistryError::Rejected {
                url,
                subject,
                status,
                message,
            },
        }
    }
}

impl SchemaRegistry for Registry {
    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedPortError> {
        Ok(self.id(subject, schema).await?)
    }

    async fn latest(&mut self, subject: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
        Ok(self.latest_of(subject).await?)
    }

    fn forget(&mut self) {
        self.ids.clear();
        self.remembered_bytes = 0;
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Error of the response, as opposed to one of the connection.
fn response_error(error: &SRCError) -> Option<&ResponseError> {
    tls::causes(error).find_map(|cause| cause.downcast_ref())
}

/// The same JSON without the characters `"{}"`, which are a common default of `jsonb` columns.
///
/// Apicurio removes the quotes before it detects the type of a schema (its `AvroContentAccepter`), detects none, and rejects the
/// schema.
fn without_quoted_braces(schema: &str) -> String {
    schema.replace("\"{}\"", "\"\\u007b}\"")
}
