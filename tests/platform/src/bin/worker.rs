//! `casehug-worker` with one platform more.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    worker::cli::main(&test_platform::entries())
}
