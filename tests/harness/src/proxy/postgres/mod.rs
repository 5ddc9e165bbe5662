//! Between a client and PostgreSQL: every COMMIT is a step, and every statement that commits by itself.

mod message;
mod session;

use std::io::Result;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt;

use super::link::{Ends, Inlet, Link, Outlet, Upstream};
use message::{Message, Opening};
use session::{Meaning, Session};

pub(super) async fn serve(link: &Link, mut ends: Ends) {
    let opened = tokio::select! {
        () = link.closed.cancelled() => return,
        opened = open(link, &mut ends) => opened,
    };
    if opened.is_err() {
        return;
    }
    let session = Mutex::new(Session::default());
    let up = pump_up(link, &session, ends.from_client, ends.to_server);
    let down = pump_down(link, &session, ends.from_server, ends.to_client);
    link.run(up, down).await;
}

/// Encryption is declined here, so that the messages can be read.
async fn open(link: &Link, ends: &mut Ends) -> Result<()> {
    loop {
        let opening = Opening::read(&mut ends.from_client).await?;
        link.unstalled().await;
        match opening {
            Opening::Encryption => {
                ends.to_client.write(b"N").await;
                ends.to_client.flush().await;
            }
            Opening::Startup(bytes) | Opening::Cancel(bytes) => {
                ends.to_server.write_all(&bytes).await?;
                return ends.to_server.flush().await;
            }
        }
    }
}

async fn pump_up(link: &Link, session: &Mutex<Session>, mut from: Inlet, mut to: Upstream) {
    while let Ok(Some(message)) = Message::read(&mut from).await {
        link.unstalled().await;
        if pass_up(link, session, &message, &mut to).await.is_err() {
            break;
        }
        if from.buffer().is_empty() && to.flush().await.is_err() {
            break;
        }
    }
    link.end_up(to).await;
}

async fn pass_up(
    link: &Link,
    session: &Mutex<Session>,
    message: &Message,
    to: &mut Upstream,
) -> Result<()> {
    let meaning = lock(session).sent(message);
    match meaning {
        Meaning::Commit { label, rows } => {
            let stops = link.record.arrive(label, rows);
            to.flush().await.ok();
            let answer = link
                .hold_up(stops)
                .await
                .map_err(|_| std::io::ErrorKind::Other)?;
            answer
                .into_iter()
                .for_each(|answer| lock(session).expect(answer));
        }
        Meaning::Nothing => {}
    }
    to.write_all(&message.bytes).await
}

async fn pump_down(link: &Link, session: &Mutex<Session>, mut from: Inlet, mut to: Outlet) {
    while let Ok(Some(message)) = Message::read(&mut from).await {
        link.unstalled().await;
        let answer = lock(session).received(&message);
        if let Some(answer) = answer {
            to.flush().await;
            if link.hold_down(answer).await.is_err() {
                return;
            }
        }
        to.write(&message.bytes).await;
        if from.buffer().is_empty() {
            to.flush().await;
        }
    }
    to.shutdown().await;
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
