//! Reading settings, and gathering what is wrong with them.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

/// Reads settings and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    variables: &'a dyn Fn(&str) -> Option<String>,
    mistakes: Vec<String>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("mistakes", &self.mistakes)
            .finish_non_exhaustive()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            variables,
            mistakes: Vec::new(),
        }
    }

    /// A value, or nothing where it is missing or empty.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        (self.variables)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn required(&mut self, name: &str) -> Option<String> {
        self.optional(name)
            .or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn parsed<T: FromStr>(
        &mut self,
        name: &str,
        default: &str,
        form: &str,
    ) -> Option<T> {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        text.parse().ok().or_else(|| self.wrong(name, form))
    }

    pub(super) fn url(&mut self, name: &str) -> Option<Url> {
        let text = self.required(name)?;
        let url = Url::parse(&text).map_err(|_| "must be a URL".to_owned());
        self.check(name, url)
    }

    pub(super) fn web_url(&mut self, name: &str) -> Option<Url> {
        let url = self.url(name)?;
        if matches!(url.scheme(), "http" | "https") {
            Some(url)
        } else {
            self.wrong(name, "must be http:// or https://")
        }
    }

    pub(super) fn seconds(
        &mut self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Duration> {
        let form = format!("must be seconds from {} to {}", range.start(), range.end());
        let secs: u64 = self.parsed(name, &default.to_string(), &form)?;
        if range.contains(&secs) {
            Some(Duration::from_secs(secs))
        } else {
            self.wrong(name, &form)
        }
    }

    pub(super) fn milliseconds(
        &mut self,
        name: &str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Duration> {
        let form = format!(
            "must be milliseconds from {} to {}",
            range.start(),
            range.end()
        );
        let ms: u64 = self.parsed(name, &default.to_string(), &form)?;
        if range.contains(&ms) {
            Some(Duration::from_millis(ms))
        } else {
            self.wrong(name, &form)
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.optional(name).as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => self.wrong(name, "must be 0 or 1").unwrap_or(false),
        }
    }

    pub(super) fn check<T>(&mut self, name: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|why| self.wrong::<T>(name, &why)).ok()
    }

    pub(super) fn wrong<T>(&mut self, name: &str, why: &str) -> Option<T> {
        self.note(name, why);
        None
    }

    pub(super) fn note(&mut self, name: &str, why: &str) {
        self.mistakes.push(format!("{name} {why}"));
    }

    pub(super) fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, String> {
        if self.mistakes.is_empty() {
            return build().ok_or_else(|| "the settings cannot be read".to_owned());
        }
        Err(self
            .mistakes
            .iter()
            .fold("wrong settings:".to_owned(), |mut text, mistake| {
                let _ = write!(text, "\n  {mistake}");
                text
            }))
    }
}
