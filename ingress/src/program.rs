//! The program's command line.

use std::process::ExitCode;

use shared::config::{self, IngressConfig};
use shared::providers::Entry;
use tokio::runtime::Runtime;

use crate::run;

/// The whole program, with the platforms that it knows; `main.rs` only chooses these and an allocator.
///
/// It is no `async fn`: the compiler generates the code of an async function in the crate that first awaits it, and the program
/// would compile all of this library once more.
#[must_use]
pub fn main(entries: &[Entry]) -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => serve(entries),
        Some("--help" | "-h" | "help") => {
            print_help();
            return ExitCode::SUCCESS;
        }
        Some(_) => Err(anyhow::anyhow!("takes no argument but --help")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn serve(entries: &[Entry]) -> anyhow::Result<()> {
    let config = IngressConfig::read(entries, |name| std::env::var(name).ok())
        .map_err(anyhow::Error::msg)?;
    Runtime::new()?.block_on(run(config))
}

#[expect(clippy::print_stdout, reason = "help is this command's output")]
fn print_help() {
    println!("casehug-ingress\n\n{}", config::help());
}

#[expect(
    clippy::print_stderr,
    reason = "a program that cannot start has no log yet"
)]
fn report(error: &anyhow::Error) {
    eprintln!("casehug-ingress: {error:#}");
}
