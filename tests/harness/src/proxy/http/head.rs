//! The head of an HTTP/1.1 message: only what is needed to find its end.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

const LARGEST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    text: String,
}

/// How the body behind a head ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

pub(super) const EMPTY: Body = Body::Length(0);

impl Head {
    /// None at the end of the connection.
    pub(super) async fn read<R: AsyncRead + Unpin>(
        from: &mut BufReader<R>,
    ) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        loop {
            let line = from.read_until(b'\n', &mut bytes).await?;
            if line == 0 {
                let whole = bytes.is_empty();
                return if whole {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
            if bytes.len() > LARGEST {
                return Err(Error::new(ErrorKind::InvalidData, "a head without end"));
            }
            let empty = matches!(&bytes[bytes.len() - line..], b"\r\n" | b"\n");
            if empty && bytes.len() > line {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(Self { bytes, text }))
    }

    /// The first line's words: method and target, or version and status.
    pub(super) fn word(&self, nth: usize) -> &str {
        let line = self.text.trim_start().lines().next().unwrap_or_default();
        line.split_whitespace().nth(nth).unwrap_or_default()
    }

    pub(super) fn request_body(&self) -> Body {
        self.body().unwrap_or(EMPTY)
    }

    /// `to_head`: it answers a HEAD request, which has a length but no body.
    pub(super) fn response_body(&self, to: &str) -> Body {
        match self.status() {
            101 => Body::UntilClose,
            100..200 | 204 | 304 => EMPTY,
            _ if to == "HEAD" => EMPTY,
            _ => self.body().unwrap_or(Body::UntilClose),
        }
    }

    /// An answer such as 100 comes before the real one.
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status()) && self.status() != 101
    }

    fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    fn body(&self) -> Option<Body> {
        let chunked = self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
        if chunked {
            return Some(Body::Chunked);
        }
        self.header("content-length")?
            .parse()
            .ok()
            .map(Body::Length)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head(text: &str) -> Head {
        Head::read(&mut BufReader::new(text.as_bytes()))
            .await
            .unwrap()
            .unwrap()
    }

    #[tokio::test]
    async fn the_head_tells_how_the_body_ends() {
        let post = head("POST /a HTTP/1.1\r\nContent-Length: 12\r\n\r\nbody").await;
        assert_eq!((post.word(0), post.word(1)), ("POST", "/a"));
        assert_eq!(post.request_body(), Body::Length(12));

        let chunked = head("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n").await;
        assert_eq!(chunked.response_body("GET"), Body::Chunked);
        assert_eq!(chunked.response_body("HEAD"), EMPTY);
        assert_eq!(
            head("HTTP/1.1 204 No\r\n\r\n").await.response_body("PUT"),
            EMPTY
        );
        assert_eq!(
            head("HTTP/1.0 200 OK\r\n\r\n").await.response_body("GET"),
            Body::UntilClose
        );
        assert!(head("HTTP/1.1 100 Continue\r\n\r\n").await.is_interim());
    }

    #[tokio::test]
    async fn a_head_that_breaks_off_is_an_error() {
        let mut broken = BufReader::new(&b"GET / HTTP/1.1\r\nhost"[..]);
        assert!(Head::read(&mut broken).await.is_err());
        assert!(
            Head::read(&mut BufReader::new(&b""[..]))
                .await
                .unwrap()
                .is_none()
        );
    }
}
