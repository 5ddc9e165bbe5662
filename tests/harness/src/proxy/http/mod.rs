//! Between a client and an HTTP/1.1 server: every request is a step.
//! Only heads are held; a request's body follows its head, an answer's body too.

mod body;
mod head;

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Mutex, PoisonError};

use tokio::io::AsyncWriteExt;

use super::label;
use super::link::{Answer, Ends, Inlet, Link, Outlet, Upstream};
use head::Head;

/// A request that the server has still to answer.
#[derive(Debug)]
struct Request {
    method: String,
    answer: Option<Answer>,
}

type Requests = Mutex<VecDeque<Request>>;

pub(super) async fn serve(link: &Link, ends: Ends) {
    let requests = Requests::default();
    let (mut from_client, mut to_server) = (ends.from_client, ends.to_server);
    let up = async {
        while let Ok(true) = pass_up(link, &requests, &mut from_client, &mut to_server).await {}
        link.end_up(to_server).await;
    };
    let (mut from_server, mut to_client) = (ends.from_server, ends.to_client);
    let down = async {
        while let Ok(true) = pass_down(link, &requests, &mut from_server, &mut to_client).await {}
        to_client.shutdown().await;
    };
    link.run(up, down).await;
}

/// One request; false at the end of the connection.
async fn pass_up(
    link: &Link,
    requests: &Requests,
    from: &mut Inlet,
    to: &mut Upstream,
) -> Result<bool> {
    let Some(head) = Head::read(from).await? else {
        return Ok(false);
    };
    link.unstalled().await;
    let method = head.word(0).to_owned();
    let stops = link.record.arrive(label::request(&method, head.word(1)), 0);
    let answer = link.hold_up(stops).await.map_err(|_| closed())?;
    lock(requests).push_back(Request { method, answer });
    to.write_all(&head.bytes).await?;
    to.flush().await?;
    body::copy(link, head.request_body(), from, to).await?;
    Ok(true)
}

/// One answer; false at the end of the connection.
async fn pass_down(
    link: &Link,
    requests: &Requests,
    from: &mut Inlet,
    to: &mut Outlet,
) -> Result<bool> {
    let Some(head) = Head::read(from).await? else {
        return Ok(false);
    };
    link.unstalled().await;
    if head.is_interim() {
        to.write(&head.bytes).await;
        to.flush().await;
        return Ok(true);
    }
    let request = lock(requests).pop_front();
    let Request { method, answer } = request.ok_or(ErrorKind::InvalidData)?;
    if let Some(answer) = answer {
        link.hold_down(answer).await.map_err(|_| closed())?;
    }
    to.write(&head.bytes).await;
    to.flush().await;
    body::copy(link, head.response_body(&method), from, to).await?;
    Ok(true)
}

fn lock(requests: &Requests) -> std::sync::MutexGuard<'_, VecDeque<Request>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Error {
    ErrorKind::ConnectionAborted.into()
}
