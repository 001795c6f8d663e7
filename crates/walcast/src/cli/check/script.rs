//! `walcast check --sql`: the statements that an administrator runs before the first start.

use walcast_postgres::SetupSession;

use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;

pub(super) async fn print(config: &Config) -> anyhow::Result<Exit> {
    let script = match config.polled.is_empty() {
        true => {
            let session = SetupSession::connect(&config.postgres).await?;
            session.missing().await?.lines()
        }
        false => walcast_postgres::polled_grants(&config.postgres, &config.polled).await?,
    };
    let mut output = stdout();
    output.lines(script)?;
    output.flush()?;
    Ok(Exit::Done)
}
