//! `casehug-worker`: takes jobs, serialises the work of one matter, respects every limit, and writes what happened.
//! Its other words administer the queue: see `worker::cli`.

/// Many small allocations a request and a job, on every core: the system's allocator costs a twentieth of the processor there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    worker::cli::main(&shared::providers::registry::shipped())
}
