//! `casehug-worker`: takes jobs, serialises the work of one matter, respects every limit, and writes what happened.

use std::process::ExitCode;

use shared::config::{self, WorkerConfig};
use worker::audit_command;

const USAGE: &str = "casehug-worker [run|migrate|audit]

  run      take jobs until SIGTERM (the default)
  migrate  apply migrations and end; needs DATABASE_URL alone
  audit    look for broken invariants of the queue and end, 1 if there are any; needs DATABASE_URL alone
           [--json] one line of JSON  [--repair] mend what can be proved, and record it
";

#[tokio::main]
async fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let result = match command.as_deref() {
        None | Some("run") => run().await,
        Some("migrate") => migrate().await,
        Some("audit") => match audit_command::run(std::env::args().skip(2)).await {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Some("--help" | "-h" | "help") => {
            print_help();
            return ExitCode::SUCCESS;
        }
        Some(_) => Err(anyhow::anyhow!("unknown command\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let config = WorkerConfig::read(|name| std::env::var(name).ok()).map_err(anyhow::Error::msg)?;
    worker::run(config).await
}

async fn migrate() -> anyhow::Result<()> {
    let direct = std::env::var("DATABASE_DIRECT_URL").or_else(|_| std::env::var("DATABASE_URL"));
    let url = direct.map_err(|_| anyhow::anyhow!("DATABASE_URL is missing"))?;
    shared::schema::migrate(&url).await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "help is this command's output")]
fn print_help() {
    println!("{USAGE}\n{}", config::help());
}

#[expect(
    clippy::print_stderr,
    reason = "a program that cannot start has no log yet"
)]
fn report(error: &anyhow::Error) {
    eprintln!("casehug-worker: {error:#}");
}
