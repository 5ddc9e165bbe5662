//! Who asked what, and what was answered: one JSON line per request.
//!
//! A request becomes a [`Pending`] line; it is written when it is answered, or, with status null,
//! when the `Pending` is dropped without (cut, hung, or the client left).

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{answer::Answer, redact};

/// More than any test looks back; keeps a long run from eating the memory.
const KEPT: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Recorder {
    lines: Mutex<VecDeque<Value>>,
    file: Mutex<Option<File>>,
}

impl Recorder {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        let file = path.map(open).transpose().context("open the record file")?;
        Ok(Self {
            lines: Mutex::default(),
            file: Mutex::new(file),
        })
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn write(&self, line: Value) {
        if let Some(file) = self
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            // One write per line: a reader never sees half of one.
            file.write_all(format!("{line}\n").as_bytes()).ok();
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

#[derive(Debug)]
pub(crate) struct Pending {
    recorder: Arc<Recorder>,
    line: Value,
    written: bool,
}

impl Pending {
    /// `line` has all but `status` and `response`.
    pub(crate) fn new(recorder: &Arc<Recorder>, line: Value) -> Self {
        Self {
            recorder: Arc::clone(recorder),
            line,
            written: false,
        }
    }

    pub(crate) fn set(&mut self, member: &str, value: impl Into<Value>) {
        self.line[member] = value.into();
    }

    pub(crate) fn answered(mut self, answer: &Answer) {
        self.finish(json!(answer.status), redact::json(answer.shown()));
    }

    fn finish(&mut self, status: Value, response: Value) {
        let mut line = std::mem::take(&mut self.line);
        line["status"] = status;
        line["response"] = response;
        self.written = true;
        self.recorder.write(line);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.written {
            self.finish(Value::Null, Value::Null);
        }
    }
}
