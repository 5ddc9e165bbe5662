//! One request's way through the simulator: taken in, met by a fault or not, answered, recorded.
//!
//! The part that has effects runs in a task of its own, so that a client that leaves does not
//! undo half of it, as at the real provider.

use std::{future::pending, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    Shared,
    answer::Answer,
    clio,
    fault::{Effect, Reply, Treatment},
    incoming::{Incoming, Payload, Site},
    listener::Cut,
    record::Pending,
    scripted, storage,
};

/// Far above any body of the API; files go to the storage instead.
const MAX_BODY: usize = 10 * 1024 * 1024;

pub(crate) async fn call_clio(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    exchange(shared, cut, Site::Clio, request).await
}

pub(crate) async fn call_storage(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    exchange(shared, cut, Site::Storage, request).await
}

pub(crate) async fn call_scripted(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    exchange(shared, cut, Site::Scripted, request).await
}

/// What remains to be done once the request was taken in.
enum Rest {
    Answer(Answer),
    Late(JoinHandle<Answer>),
    Cut,
    Hang,
}

async fn exchange(shared: Arc<Shared>, cut: Cut, site: Site, request: Request) -> Response {
    let mut stop = shared.stop.clone();
    let taken = tokio::spawn(take_in(Arc::clone(&shared), site, request));
    let Ok((line, treatment, rest)) = taken.await else {
        return cut_off(&cut);
    };
    let delay = treatment.delay();
    tokio::select! {
        () = sleep(delay), if !delay.is_zero() => {}
        _ = stop.wait_for(|stop| *stop), if !delay.is_zero() => return cut_off(&cut),
        else => {}
    }
    let answer = match rest {
        Rest::Answer(answer) => answer,
        Rest::Late(answer) => match answer.await {
            Ok(answer) => answer,
            Err(_) => return cut_off(&cut),
        },
        Rest::Cut => return cut_off(&cut),
        Rest::Hang => {
            // Nothing will be answered, so the line need not wait for the client to leave.
            drop(line);
            tokio::select! {
                () = pending() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            return cut_off(&cut);
        }
    };
    let answer = treatment.altered(answer);
    line.answered(&answer);
    answer.into_response()
}

/// The response is never seen: the connection refuses to write it.
fn cut_off(cut: &Cut) -> Response {
    cut.now();
    Response::new(Body::empty())
}

async fn take_in(shared: Arc<Shared>, site: Site, request: Request) -> (Pending, Treatment, Rest) {
    let (parts, body) = request.into_parts();
    let mut incoming = Incoming::new(site, parts, &shared.address.to_string());
    let fault = match site {
        Site::Clio | Site::Storage => &shared.clio.faults,
        Site::Scripted => &shared.scripted.faults,
    };
    let fault = fault.take(&incoming.method, &incoming.path);
    let received = receive(&shared, &incoming, body).await;
    let broken = received.is_none();
    if let Some(payload) = received {
        incoming.payload = payload;
    }
    let mut line = Pending::new(&shared.recorder, incoming.line());
    if broken {
        line.set("fault", "client_left");
        return (line, Treatment::default(), Rest::Cut);
    }
    let treatment = fault.unwrap_or_default();
    if let Some(name) = treatment.name() {
        line.set("fault", name);
        match site {
            Site::Clio | Site::Storage => shared.clio.world().stats.faulted += 1,
            Site::Scripted => shared.scripted.world().faulted += 1,
        }
    }
    let rest = treat(&shared, incoming, &treatment).await;
    (line, treatment, rest)
}

async fn treat(shared: &Arc<Shared>, incoming: Incoming, treatment: &Treatment) -> Rest {
    let effect = match treatment.effect() {
        Effect::Never => None,
        Effect::Now => Some(Rest::Answer(perform(shared, &incoming).await)),
        Effect::After(wait) => {
            let shared = Arc::clone(shared);
            Some(Rest::Late(tokio::spawn(async move {
                sleep(wait).await;
                perform(&shared, &incoming).await
            })))
        }
    };
    match (treatment.reply(), effect) {
        (Reply::True, Some(rest)) => rest,
        (Reply::Scripted(answer), _) => Rest::Answer(answer),
        (Reply::Cut, _) | (Reply::True, None) => Rest::Cut,
        (Reply::Hang, _) => Rest::Hang,
    }
}

async fn receive(shared: &Shared, incoming: &Incoming, body: Body) -> Option<Payload> {
    match incoming.site {
        Site::Clio | Site::Scripted => to_bytes(body, MAX_BODY).await.ok().map(Payload::Bytes),
        Site::Storage => storage::receive(shared, incoming, body).await.ok(),
    }
}

async fn perform(shared: &Shared, incoming: &Incoming) -> Answer {
    match incoming.site {
        Site::Clio => clio::perform(shared, incoming).await,
        Site::Storage => storage::perform(shared, incoming).await,
        Site::Scripted => scripted::perform(shared, incoming),
    }
}
