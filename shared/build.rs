//! Embeds `migrations/functions`, and rebuilds the crate when a migration or a function changes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FUNCTIONS: &str = "../migrations/functions";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=../migrations");
    let mut files = Vec::new();
    collect(Path::new(FUNCTIONS), &mut files)?;
    // `grants.sql` last: it speaks of functions that must be there.
    files.sort_by_key(|file| (file.ends_with("grants.sql"), file.clone()));
    let mut code = "&[\n".to_owned();
    for file in &files {
        let text = fs::read_to_string(file)?;
        let name = file.strip_prefix(FUNCTIONS).unwrap_or(file);
        writeln!(code, "    ({:?}, {text:?}),", name.display().to_string())
            .map_err(io::Error::other)?;
    }
    code.push(']');
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("functions.rs"), code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "sql") {
            files.push(path);
        }
    }
    Ok(())
}
