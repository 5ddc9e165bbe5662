//! Bodies are copied as they come, with flat memory: they may be 1 GiB.

use std::io::{ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::head::Body;
use crate::proxy::link::{Link, Sink};

pub(super) async fn copy(
    link: &Link,
    body: Body,
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut impl Sink,
) -> Result<()> {
    match body {
        Body::Length(length) => copy_exactly(link, length, from, to).await?,
        Body::Chunked => copy_chunks(link, from, to).await?,
        Body::UntilClose => while copy_some(link, u64::MAX, from, to).await? > 0 {},
    }
    to.push().await
}

async fn copy_exactly(
    link: &Link,
    length: u64,
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut impl Sink,
) -> Result<()> {
    let mut left = length;
    while left > 0 {
        match copy_some(link, left, from, to).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            copied => left -= copied,
        }
    }
    Ok(())
}

/// What has come so far, at most `limit` bytes; 0 at the end of the connection.
async fn copy_some(
    link: &Link,
    limit: u64,
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut impl Sink,
) -> Result<u64> {
    let come = from.fill_buf().await?;
    let take = usize::try_from(limit).unwrap_or(usize::MAX).min(come.len());
    if take > 0 {
        link.unstalled().await;
        to.put(&come[..take]).await?;
        to.push().await?;
    }
    from.consume(take);
    Ok(take as u64)
}

async fn copy_chunks(
    link: &Link,
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut impl Sink,
) -> Result<()> {
    loop {
        let line = copy_line(from, to).await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| ErrorKind::InvalidData)?;
        if size == 0 {
            break;
        }
        copy_exactly(link, size, from, to).await?;
        copy_line(from, to).await?;
    }
    while !copy_line(from, to).await?.trim().is_empty() {}
    Ok(())
}

async fn copy_line(from: &mut (impl AsyncBufRead + Unpin), to: &mut impl Sink) -> Result<String> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    to.put(&line).await?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}
