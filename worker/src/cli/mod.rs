//! The command line: the worker itself, its migrations, and the administration of jobs with the verbs of the HTTP API.
//! It works on the database directly; who acts is recorded as there.

mod arguments;

mod audit;
mod batches;
mod jobs;
mod limits;
mod pauses;

mod print;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use shared::config::WorkerConfig;
use shared::db::{Database, Transaction};
use shared::domain::{FirmId, WorkerId};
use shared::providers::Entry;
use tokio::runtime::Runtime;

use arguments::{Arguments, Command};
use print::Form;

/// The whole program, with the platforms that it knows; `main.rs` only chooses these and an allocator.
///
/// It is no `async fn`: the compiler generates the code of an async function in the crate that first awaits it, and the program
/// would compile all of this library once more.
#[must_use]
pub fn main(entries: &[Entry]) -> ExitCode {
    let arguments = Arguments::parse();
    let result = Runtime::new().context("start the runtime");
    match result.and_then(|runtime| runtime.block_on(run(arguments, entries))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a program that cannot start has no log yet"
)]
fn report(error: &anyhow::Error) {
    eprintln!("casehug-worker: {error:#}");
}

/// Does what the command line says.
async fn run(arguments: Arguments, entries: &[Entry]) -> anyhow::Result<()> {
    let context = |database| AdminContext {
        database,
        firm: arguments.firm.map(FirmId),
        author: arguments.author.clone().unwrap_or_else(os_user),
        form: if arguments.json {
            Form::Json
        } else {
            Form::Table
        },
    };
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => crate::run(config(entries)?).await,
        Command::RunAlone { started_by } => {
            crate::run_alone(config(entries)?, started_by.map(WorkerId)).await
        }
        Command::Migrate => migrate().await,
        Command::Audit { repair } => {
            let context = context(database()?);
            audit::run(&context.database, context.form, repair).await
        }
        Command::Jobs { verb } => jobs::run(&context(database()?), verb).await,
        Command::Batches { verb } => batches::run(&context(database()?), verb).await,
        Command::Pauses { verb } => pauses::run(&context(database()?), verb).await,
        Command::Limits => limits::run(&context(database()?)).await,
    }
}

/// From where a person administers: whose records are meant, who acts, and how it is shown.
struct AdminContext {
    database: Database,
    firm: Option<FirmId>,
    author: String,
    form: Form,
}

impl AdminContext {
    /// A transaction that sees the firm's rows alone, or all firms' when none was named.
    async fn begin(&self) -> anyhow::Result<Transaction> {
        let transaction = match self.firm {
            Some(firm) => self.database.firm(firm).await,
            None => self.database.worker().await,
        };
        transaction.context("reach the database")
    }
}

fn config(entries: &[Entry]) -> anyhow::Result<WorkerConfig> {
    let read = WorkerConfig::read(entries, |name| std::env::var(name).ok());
    read.map_err(anyhow::Error::msg)
}

fn database() -> anyhow::Result<Database> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is missing")?;
    Ok(Database::lazy(&url, 1)?)
}

async fn migrate() -> anyhow::Result<()> {
    let direct = std::env::var("DATABASE_DIRECT_URL").or_else(|_| std::env::var("DATABASE_URL"));
    let url = direct.context("DATABASE_URL is missing")?;
    shared::schema::migrate(&url).await?;
    Ok(())
}

/// Who is logged in; a container often knows no more than a number.
fn os_user() -> String {
    let named = ["USER", "LOGNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty());
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
