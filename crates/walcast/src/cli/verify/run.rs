//! The command: one comparison, with a repair or without, or one after the other.

use walcast_verify::Verdict;

use super::args::VerifyArgs;
use super::every;
use super::recheck;
use super::repair::{Connector, repair};
use super::report::{Report, exit};
use super::request::{Answer, Request};
use crate::config::Config;
use crate::exit::Exit;
use crate::stdout::stdout;

pub(crate) async fn verify(config: Config, args: VerifyArgs) -> anyhow::Result<Exit> {
    let request = Request::new(&config, &args.choice)?;
    let again = args.choice.recheck.as_deref().map(recheck::read).transpose()?;
    if let Some(interval) = args.job.every {
        let job = every::run(&request, interval.get(), args.job.metrics_listen, args.json);
        return Box::pin(job).await;
    }
    let connector = match args.repair && !args.dry_run {
        true => Some(Connector::of(&config).await?),
        false => None,
    };
    let report = match Box::pin(request.compare(again.as_ref())).await? {
        Answer::Report(report) => report,
        Answer::Behind(reason) => {
            print_behind(&reason, args.json)?;
            return Ok(Exit::Undecided);
        }
    };
    if args.repair {
        return Box::pin(repair(&request, connector.as_ref(), *report, args.json)).await;
    }
    print(&report, args.json)?;
    request.store(&report).await?;
    Ok(exit(report.certificate.verdict))
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => output.json(report)?,
        false => output.lines(report.lines())?,
    };
    output.flush()?;
    Ok(())
}

fn print_behind(reason: &str, json: bool) -> anyhow::Result<()> {
    let mut output = stdout();
    match json {
        true => output.json(&serde_json::json!({"verdict": Verdict::Undecided, "reason": reason}))?,
        false => output.line(&format!("undecided: {reason}"))?,
    };
    output.flush()?;
    Ok(())
}
