//! What the demo was asked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

#[derive(Debug)]
pub(crate) struct Arguments {
    /// Where everything stays: the repository's `.local`.
    pub(crate) folder: PathBuf,
    /// End after the scenario.
    pub(crate) once: bool,
    /// The person's own files.
    pub(crate) documents: Vec<PathBuf>,
}

impl Arguments {
    pub(crate) fn read(words: impl Iterator<Item = OsString>) -> Result<Self> {
        let mut words = words;
        let folder = words
            .next()
            .context("the first word is the folder; use deploy/demo")?;
        let mut arguments = Self {
            folder: folder.into(),
            once: false,
            documents: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--once") => arguments.once = true,
                Some("--document") => {
                    let file = words.next().context("--document needs a file")?;
                    arguments.documents.push(readable(Path::new(&file))?);
                }
                _ => bail!("there is no option {}", word.display()),
            }
        }
        Ok(arguments)
    }
}

/// Looked at now, so that a slip of the pen is answered before anything is started.
fn readable(path: &Path) -> Result<PathBuf> {
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    ensure!(
        file.metadata()?.is_file(),
        "{} is not a file",
        path.display()
    );
    Ok(path.to_path_buf())
}
