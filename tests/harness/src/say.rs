//! A seed or a figure of a test: shown when it fails, or with `--nocapture`.

#[expect(clippy::print_stdout, reason = "a test's own output")]
pub fn say(line: &str) {
    println!("{line}");
}
