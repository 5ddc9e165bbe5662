//! One thing that is wrong at one place of a query or a body, without the value that stands there.

use std::fmt;

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};

#[derive(Debug)]
pub(super) struct Mistake {
    /// A JSON pointer; empty for the query or body itself.
    pub(super) at: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Missing(String),
    Unknown(String),
    Wrong(String),
}

impl Mistake {
    pub(super) fn wrong(at: String, why: &str) -> Self {
        let what = What::Wrong(why.to_owned());
        Self { at, what }
    }

    /// One error may be several mistakes: unknown members come together.
    pub(super) fn all_of(error: &ValidationError<'_>) -> Vec<Self> {
        let all = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
                .iter()
                .map(|name| What::Unknown(shown(name)))
                .collect(),
            kind => vec![what(kind)],
        };
        all.into_iter()
            .map(|what| Self {
                at: error.instance_path().as_str().to_owned(),
                what,
            })
            .collect()
    }
}

fn what(kind: &ValidationErrorKind) -> What {
    What::Wrong(match kind {
        ValidationErrorKind::Required { property } => {
            return What::Missing(property.as_str().unwrap_or_default().to_owned());
        }
        ValidationErrorKind::Type {
            kind: TypeKind::Single(wanted),
        } => format!("is not of type {wanted}"),
        ValidationErrorKind::Enum { .. } => "is none of the allowed values".to_owned(),
        ValidationErrorKind::Format { format } => format!("is no {format}"),
        ValidationErrorKind::Pattern { .. } => "has the wrong form".to_owned(),
        ValidationErrorKind::MinLength { .. } => "is empty".to_owned(),
        ValidationErrorKind::FalseSchema => "does not belong there".to_owned(),
        other => format!("breaks the schema's `{}`", other.keyword()),
    })
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        match &self.what {
            What::Missing(name) => write!(f, "lacks `{name}`"),
            What::Unknown(name) => write!(f, "has the unknown `{name}`"),
            What::Wrong(why) => f.write_str(why),
        }
    }
}

/// A name as it was sent; what does not look like one may be a value, and is not shown.
pub(super) fn shown(name: &str) -> String {
    let word = name.strip_suffix("[]").unwrap_or(name);
    let is_word = !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    match is_word {
        true => name.to_owned(),
        false => "…".to_owned(),
    }
}
