//! `casehug-worker`: takes jobs, serialises the work of one matter, respects every limit, and writes what happened.
//! Its other words administer the queue: see `worker::cli`.

use std::process::ExitCode;

/// Many small allocations a request and a job, on every core: the system's allocator costs a twentieth of the processor there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match worker::cli::run().await {
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
