//! How answers are shown: JSON for programs, a table for people.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Table,
}

impl Form {
    /// Shows an answer: as it is, or as the rows that people read.
    pub(super) fn show<T: Serialize>(
        self,
        answer: &T,
        rows: impl FnOnce(&T) -> Vec<Vec<String>>,
    ) -> anyhow::Result<()> {
        let text = match self {
            Self::Json => format!("{}\n", serde_json::to_string(answer)?),
            Self::Table => table(&rows(answer)),
        };
        // The reader may stop reading: `| head` is no error.
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Columns as wide as their widest cell, but the last.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let width = *width;
            format!("{cell:<width$}")
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A row of plain words.
pub(super) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

pub(super) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A dash for what is not there.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

pub(super) fn time_or_dash(at: Option<DateTime<Utc>>) -> String {
    or_dash(at.map(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [
            words(["id", "state"]),
            words(["1234", "failed"]),
            words(["", "–"]),
        ];

        assert_eq!(table(&rows), "id    state\n1234  failed\n      –\n");
        assert_eq!(table(&[]), "");
    }
}
