//! A real child process: started, watched, stopped, killed.
//!
//! It gets only the environment it is given and `PATH`, and writes to files, so that a stopped or
//! dead test never blocks it. It dies with the value, and with the test program.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::eventually::{eventually, eventually_blocking};
use crate::guard::Guard;

const STOP: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    running: Mutex<Running>,
    output: [Output; 2],
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// None once the process has ended: its id may soon be another's.
    guard: Option<Guard>,
}

/// A log file, and where in it this process began.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    from: u64,
}

impl Process {
    /// Output goes to `{log_dir}/{name}.out` and `.err`, appended over restarts of the same name.
    pub fn spawn<A: AsRef<std::ffi::OsStr>>(
        name: &str,
        program: &Path,
        args: &[A],
        env: &[(String, String)],
        log_dir: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(log_dir)?;
        let (out, out_file) = Output::open(log_dir.join(format!("{name}.out")))?;
        let (err, err_file) = Output::open(log_dir.join(format!("{name}.err")))?;
        let child = Command::new(program)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out_file)
            .stderr(err_file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name} ({})", program.display()))?;
        let pid = child.id();
        let guard = Some(Guard::over(pid, "KILL")?);
        let running = Mutex::new(Running { child, guard });
        Ok(Self {
            name: name.to_owned(),
            pid,
            running,
            output: [out, err],
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The whole lines written so far: first the standard output's, then the error output's.
    pub fn lines(&self) -> Vec<String> {
        let texts = self.output.iter().map(Output::text);
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    pub async fn wait_for_line(
        &self,
        mut matches: impl FnMut(&str) -> bool,
        timeout: Duration,
    ) -> Result<String> {
        let found = eventually(timeout, || {
            let found = self.lines().into_iter().find(|line| matches(line));
            async { found }
        });
        found.await.with_context(|| {
            format!(
                "the line did not appear; {} wrote:\n{}",
                self.name,
                self.lines().join("\n")
            )
        })
    }

    /// `SIGKILL`, and waits until the process is gone.
    pub fn kill9(&self) -> Result<()> {
        let mut running = self.running();
        let killed = running.child.kill();
        killed.with_context(|| format!("kill {}", self.name))?;
        running.child.wait()?;
        running.guard = None;
        Ok(())
    }

    /// `SIGSTOP`, and waits until the process stands still (where `/proc` tells).
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let stopped = eventually_blocking(STOP, || self.stands_still().then_some(()));
        stopped.with_context(|| format!("{} does not stand still", self.name))
    }

    fn stands_still(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.map_or(true, |stat| stat.contains(") T "))
    }

    /// `SIGCONT`
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// `SIGTERM`: the polite request to end.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// The lock is held over the check and the signal, so that a reaped id is never signalled.
    fn signal(&self, signal: Signal) -> Result<()> {
        let mut running = self.running();
        ensure!(running.ended()?.is_none(), "{} has ended", self.name);
        let pid = Pid::from_raw(self.pid.cast_signed()).context("a process id is not zero")?;
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    pub async fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        let ended = eventually(timeout, || async { self.running().ended().transpose() });
        let status = ended
            .await
            .with_context(|| format!("{} has not ended", self.name))?;
        status.with_context(|| format!("wait for {}", self.name))
    }

    pub fn is_running(&self) -> bool {
        matches!(self.running().ended(), Ok(None))
    }

    /// The largest resident memory so far, in bytes (Linux).
    pub fn peak_rss(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// The resident memory now, in bytes (Linux).
    pub fn rss(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|words| words.split_whitespace().next());
        let kibibytes: u64 = kibibytes
            .with_context(|| format!("no {field} of a process"))?
            .parse()?;
        Ok(kibibytes * 1024)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.guard = None;
        }
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9().ok();
    }
}

impl Output {
    fn open(path: PathBuf) -> Result<(Self, File)> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        let from = file.metadata()?.len();
        Ok((Self { path, from }, file))
    }

    /// Up to the last end of a line: a line still being written is no line yet.
    fn text(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.path) {
            file.seek(SeekFrom::Start(self.from)).ok();
            file.read_to_end(&mut text).ok();
        }
        let end = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        String::from_utf8_lossy(&text[..end]).into_owned()
    }
}

/// `SIGKILL` for a process that a process of ours has started. Its id must be that of a running one.
pub fn kill9_started(pid: u32) -> Result<()> {
    let id = Pid::from_raw(pid.cast_signed()).context("a process id is not zero")?;
    kill_process(id, Signal::KILL).with_context(|| format!("kill {pid}"))
}

/// Whether a process runs that need not be a child of ours (where `/proc` tells). One that has ended and that nobody has asked for does not.
pub fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The folder of the clone that runs. It is not the one that this was compiled in: clones may share a target folder, and cargo then takes
/// a crate of one for that of another.
pub fn repository() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = package.map_or_else(std::env::current_dir, Ok)?;
    let mut folders = start.ancestors();
    let found = folders.find(|folder| folder.join("migrations/FROZEN").is_file());
    let found = found.with_context(|| format!("{} is in no clone", start.display()))?;
    Ok(found.to_path_buf())
}

/// A program of this workspace, built in the same target folder and profile as the running one.
pub fn built_program(name: &str) -> Result<PathBuf> {
    let running = std::env::current_exe().context("find the running program")?;
    let mut folders = running.ancestors().skip(1).take(2);
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()));
    found.with_context(|| format!("{name} is not built: build it as tests/run does"))
}

/// Below the ports that systems give to outgoing connections: one of those could take it before its program binds it.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port that no other caller in this program was given, and that is free now.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let width = PORTS.end - PORTS.start;
    // Programs side by side begin at places of their own.
    let first = (std::process::id().wrapping_mul(977) % u32::from(width)) as u16;
    (0..width)
        .map(|_| PORTS.start + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % width)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("find a free port")
}

/// How many files this process may open, and so how many connections.
pub fn open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let files = limit.current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str, env: &[(String, String)], dir: &Path) -> Process {
        Process::spawn("shell", Path::new("sh"), &["-c", script], env, dir).unwrap()
    }

    #[test]
    fn a_program_is_found_beside_the_running_one() {
        let running = std::env::current_exe().unwrap();
        let name = running.file_name().unwrap().to_str().unwrap();

        assert_eq!(built_program(name).unwrap(), running);
        assert!(built_program("no-such-program").is_err());
    }

    #[tokio::test]
    async fn a_process_sees_only_the_environment_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let env = [("COLOUR".to_owned(), "blue".to_owned())];

        let process = shell("env; echo done >&2", &env, dir.path());
        process
            .wait_for_line(|line| line == "done", SOON)
            .await
            .unwrap();

        let lines = process.lines();
        assert!(lines.contains(&"COLOUR=blue".to_owned()));
        assert!(
            !lines.iter().any(|line| line.starts_with("HOME=")),
            "{lines:?}"
        );
    }

    #[tokio::test]
    async fn a_second_start_reads_only_its_own_lines() {
        let dir = tempfile::tempdir().unwrap();

        let first = shell("echo first", &[], dir.path());
        first.wait(SOON).await.unwrap();
        let second = shell("echo second", &[], dir.path());
        second.wait(SOON).await.unwrap();

        assert_eq!(second.lines(), ["second"]);
    }

    #[tokio::test]
    async fn a_process_is_stopped_resumed_terminated_and_killed() {
        let dir = tempfile::tempdir().unwrap();
        let process = shell(
            "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.02; done",
            &[],
            dir.path(),
        );
        process
            .wait_for_line(|line| line == "up", SOON)
            .await
            .unwrap();

        process.stop().unwrap();
        process.terminate().unwrap();
        assert!(process.stands_still() && process.is_running());
        process.resume().unwrap();

        assert_eq!(process.wait(SOON).await.unwrap().code(), Some(3));
        assert!(process.terminate().is_err());
    }

    #[tokio::test]
    async fn memory_is_read_while_the_process_lives() {
        let dir = tempfile::tempdir().unwrap();
        let process = shell("echo up; sleep 60", &[], dir.path());
        process
            .wait_for_line(|line| line == "up", SOON)
            .await
            .unwrap();

        assert!(process.rss().unwrap() > 0);
        assert!(process.peak_rss().unwrap() >= process.rss().unwrap());
        process.kill9().unwrap();
        assert!(!process.is_running());
    }
}
