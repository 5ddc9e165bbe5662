//! `casehug-ingress`: checks what comes in, appends it to the inbox, answers. Nothing more.

/// Many small allocations a request and a job, on every core: the system's allocator costs a twentieth of the processor there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ingress::main(&shared::providers::registry::shipped())
}
