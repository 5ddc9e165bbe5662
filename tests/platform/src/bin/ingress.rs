//! `casehug-ingress` with one platform more.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ingress::main(&test_platform::entries())
}
