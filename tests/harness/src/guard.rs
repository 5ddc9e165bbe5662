//! Ends a child when its parent is gone, even by `kill -9`.
//!
//! A small shell waits at the end of a pipe that only the parent holds; when the pipe closes,
//! the shell signals the child by its id.
//! `PR_SET_PDEATHSIG` would do it without a shell, but follows the spawning *thread*, and a test's
//! thread ends before the test program does.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    /// Sends `signal` (`KILL`, `INT`) to process `pid` once this program has ended.
    pub(crate) fn over(pid: u32, signal: &str) -> Result<Self> {
        let shell = Command::new("sh")
            .args([
                "-c",
                r#"read -r _; kill -s "$1" "$2" 2>/dev/null"#,
                "guard",
                signal,
            ])
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the guard of a child process")?;
        Ok(Self { shell })
    }
}

/// The guarded process is known to have ended, so the guard must not act any more.
impl Drop for Guard {
    fn drop(&mut self) {
        self.shell.kill().ok();
        self.shell.wait().ok();
    }
}
