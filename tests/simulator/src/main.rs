//! The simulator as a program: one line of JSON when ready, ends on SIGTERM or Ctrl-C.

fn main() -> anyhow::Result<()> {
    simulator::main()
}
