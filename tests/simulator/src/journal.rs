//! What survives a restart: tables whose every change is appended to one file.
//!
//! A line is `{"table","key","row"}`, `row` null for a removal.
//! A change costs one short append, whatever the size of the data; the file is rewritten, without
//! what is no longer true, when it is opened.
//! A line torn by a crash is dropped.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) table: String,
    key: Value,
    row: Value,
}

/// Rows by key; only [`Table::put`] and [`Table::remove`] change them, so none is forgotten.
#[derive(Debug)]
pub(crate) struct Table<K, R> {
    name: &'static str,
    rows: BTreeMap<K, R>,
    changed: Vec<Line>,
}

impl<K, R> Table<K, R>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    R: Clone + Serialize + DeserializeOwned,
{
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rows: BTreeMap::new(),
            changed: Vec::new(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&R> {
        self.rows.get(key)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &R)> {
        self.rows.iter()
    }

    pub(crate) fn put(&mut self, key: K, row: R) {
        self.changed.push(self.line(&key, Some(&row)));
        self.rows.insert(key, row);
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<R> {
        let removed = self.rows.remove(key)?;
        self.changed.push(self.line(key, None));
        Some(removed)
    }

    /// Changes each row in place.
    pub(crate) fn update_all(&mut self, mut change: impl FnMut(&mut R)) {
        let keys: Vec<K> = self.rows.keys().cloned().collect();
        for key in keys {
            if let Some(mut row) = self.rows.get(&key).cloned() {
                change(&mut row);
                self.put(key, row);
            }
        }
    }

    pub(crate) fn take_changed(&mut self, into: &mut Vec<Line>) {
        into.append(&mut self.changed);
    }

    /// Applies a line read from the file, if it is this table's.
    pub(crate) fn load(&mut self, line: &Line) {
        if line.table != self.name {
            return;
        }
        let Ok(key) = serde_json::from_value::<K>(line.key.clone()) else {
            return;
        };
        match serde_json::from_value::<R>(line.row.clone()) {
            Ok(row) if !line.row.is_null() => self.rows.insert(key, row),
            _ => self.rows.remove(&key),
        };
    }

    pub(crate) fn dump(&self, into: &mut Vec<Line>) {
        into.extend(self.rows.iter().map(|(key, row)| self.line(key, Some(row))));
    }

    fn line(&self, key: &K, row: Option<&R>) -> Line {
        Line {
            table: self.name.to_owned(),
            key: serde_json::to_value(key).unwrap_or_default(),
            row: row
                .and_then(|row| serde_json::to_value(row).ok())
                .unwrap_or_default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Journal {
    /// The lines of the last run, oldest first.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
        if !path.exists() {
            return Ok(Vec::new());
        }
        let file = File::open(path).context("open the journal")?;
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        Ok(lines
            .filter_map(|line| serde_json::from_str(&line).ok())
            .collect())
    }

    /// Replaces the file by `lines` and opens it for more.
    pub(crate) fn rewrite(path: &Path, lines: &[Line]) -> anyhow::Result<Self> {
        let fresh = path.with_extension("new");
        let mut file = BufWriter::new(File::create(&fresh).context("create the journal")?);
        write_lines(&mut file, lines)?;
        file.get_ref().sync_all()?;
        fs::rename(&fresh, path).context("replace the journal")?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub(crate) fn append(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        write_lines(&mut self.file, lines).with_context(|| format!("write {}", self.path.display()))
    }
}

fn write_lines(file: &mut BufWriter<File>, lines: &[Line]) -> anyhow::Result<()> {
    for line in lines {
        serde_json::to_writer(&mut *file, line)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}
