//! `casehug-ingress`: checks what comes in, appends it to the inbox, answers. Nothing more.

use std::process::ExitCode;

use shared::config::{self, IngressConfig};

/// Many small allocations a request and a job, on every core: the system's allocator costs a twentieth of the processor there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => run().await,
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

async fn run() -> anyhow::Result<()> {
    let config =
        IngressConfig::read(|name| std::env::var(name).ok()).map_err(anyhow::Error::msg)?;
    ingress::run(config).await
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
