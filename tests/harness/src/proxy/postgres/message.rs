//! PostgreSQL's frontend and backend messages: a tag, a length, a body.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt};

/// A whole message as it was on the wire.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
}

const HEAD: usize = 5;
/// PostgreSQL's own limit for one message.
const LARGEST: usize = 1 << 30;

impl Message {
    pub(super) fn tag(&self) -> u8 {
        self.bytes[0]
    }

    /// For a row: its last column is null.
    pub(super) fn ends_with_null(&self) -> bool {
        self.bytes.ends_with(&(-1_i32).to_be_bytes())
    }

    /// The zero-terminated texts at the start of the body; `skip` bytes of other things first.
    pub(super) fn text(&self, nth: usize) -> &str {
        let texts = self.bytes[HEAD..].split(|byte| *byte == 0);
        texts
            .into_iter()
            .nth(nth)
            .and_then(|text| str::from_utf8(text).ok())
            .unwrap_or_default()
    }

    /// None at the end of the connection.
    pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>> {
        let mut bytes = vec![0; HEAD];
        if reader.read(&mut bytes[..1]).await? == 0 {
            return Ok(None);
        }
        reader.read_exact(&mut bytes[1..]).await?;
        let length = length(&bytes[1..]);
        if !(4..LARGEST).contains(&length) {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "not a PostgreSQL message",
            ));
        }
        bytes.resize(1 + length, 0);
        reader.read_exact(&mut bytes[HEAD..]).await?;
        Ok(Some(Self { bytes }))
    }
}

/// What a client says first, without a tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Asks for TLS or GSS encryption; both are declined with `N`.
    Encryption,
    Startup(Vec<u8>),
    Cancel(Vec<u8>),
}

const CANCEL: usize = 80_877_102;
const TLS: usize = 80_877_103;
const GSS: usize = 80_877_104;

impl Opening {
    pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let mut bytes = vec![0; 8];
        reader.read_exact(&mut bytes).await?;
        let size = length(&bytes);
        if !(8..=10_000).contains(&size) {
            return Err(Error::new(ErrorKind::InvalidData, "not a PostgreSQL start"));
        }
        bytes.resize(size, 0);
        reader.read_exact(&mut bytes[8..]).await?;
        Ok(match length(&bytes[4..]) {
            TLS | GSS => Self::Encryption,
            CANCEL => Self::Cancel(bytes),
            _ => Self::Startup(bytes),
        })
    }
}

fn length(bytes: &[u8]) -> usize {
    bytes[..4]
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}
