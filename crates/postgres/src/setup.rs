//! Setting up the source before the first start, one statement at a time.

use walcast_delivery::one_line;

use crate::catalog::{self, Setup, SetupStatement};
use crate::config::PostgresConfig;
use crate::connect::SqlSession;
use crate::error::{PostgresError, ServerError};
use crate::primary::connect_primary;
use crate::source_state;

const DOING: &str = "setting up the source";

/// `insufficient_privilege`.
const NOT_PERMITTED: &str = "42501";

/// Result of a statement that the server has executed or rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupOutcome {
    /// The server has executed the statement.
    Executed,
    /// The role may not execute the statement; the text is the reason of the server.
    NotPermitted(String),
    /// The server rejects the statement; the text is the reason of the server.
    Rejected(String),
}

/// Session that lists what is missing, and executes statements.
pub struct SetupSession {
    session: SqlSession,
    config: PostgresConfig,
}

impl SetupSession {
    /// Connects as the role of the connector.
    ///
    /// # Errors
    /// A setting is invalid; the server cannot be reached.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, PostgresError> {
        config.validate()?;
        let connected = connect_primary(config).await;
        let (session, _) = connected.map_err(PostgresError::at_first_connection)?;
        Ok(Self {
            session,
            config: config.clone(),
        })
    }

    /// What is missing now.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn missing(&self) -> Result<Setup, PostgresError> {
        let client = &self.session.client;
        let system_identifier = catalog::cluster(client).await?.system_identifier;
        let found = source_state::inspect(&self.session, &self.config, system_identifier, Vec::new()).await?;
        catalog::setup(client, &self.config, &found).await
    }

    /// Executes a statement in a transaction of its own.
    ///
    /// # Errors
    /// The server does not answer: whether the statement was executed is unknown.
    pub async fn execute(&self, statement: &SetupStatement) -> Result<SetupOutcome, PostgresError> {
        match catalog::execute(&self.session.client, DOING, &statement.sql).await {
            Ok(()) => Ok(SetupOutcome::Executed),
            Err(error) => match error.server_error() {
                Some(rejected) => Ok(rejection(rejected, &error)),
                None => Err(error),
            },
        }
    }
}

fn rejection(rejected: &ServerError, error: &PostgresError) -> SetupOutcome {
    let reason = match rejected.message.is_empty() {
        true => one_line(error),
        false => rejected.message.clone(),
    };
    match rejected.code.as_str() {
        NOT_PERMITTED => SetupOutcome::NotPermitted(reason),
        _ => SetupOutcome::Rejected(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_privileges_are_distinguished_from_other_rejections() {
        let outcome = |code: &str| {
            let rejected = ServerError {
                code: code.to_owned(),
                message: "must be owner of table items".to_owned(),
                ..ServerError::default()
            };
            let error = PostgresError::Server {
                doing: DOING,
                error: Box::new(rejected.clone()),
            };
            rejection(&rejected, &error)
        };
        let reason = || "must be owner of table items".to_owned();
        assert_eq!(outcome("42501"), SetupOutcome::NotPermitted(reason()));
        assert_eq!(outcome("55000"), SetupOutcome::Rejected(reason()));
    }
}
