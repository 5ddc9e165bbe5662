//! What events mean: the jobs of each, or why it is rejected.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::PgConnection;

use crate::clock;
use crate::db::{connections, links, matters};
use crate::domain::{
    ConnectionId, FirmId, MatterId, RunId, UploadId,
    capabilities::Offers,
    connection::Connection,
    event::{EventKind, SyncAction, SyncRequest},
    job::{NewJob, Priority, RunContext},
};
use crate::inbox::postgres::{Decided, Fate, Waiting};

/// What becomes of a batch.
pub(super) struct FanOut {
    pub(super) decided: Vec<Decided>,
    pub(super) jobs: Vec<NewJob>,
}

/// Everything that deciding a batch needs, read in a few statements for the whole batch.
struct Facts<'a> {
    offers: &'a Offers,
    known: matters::Known,
    connections: HashMap<FirmId, Vec<Connection>>,
    /// Firms of which a connection cannot be read: an event would miss its job there.
    unreadable: HashSet<FirmId>,
    /// Matters that stand at the provider, of those whose documents were approved.
    linked: HashSet<(ConnectionId, MatterId)>,
}

impl Facts<'_> {
    fn connections(&self, firm: FirmId) -> &[Connection] {
        self.connections.get(&firm).map_or(&[], Vec::as_slice)
    }
}

/// Decides a batch of waiting events.
///
/// # Errors
/// The database is away.
pub(super) async fn fan_out(
    db: &mut PgConnection,
    waiting: &[Waiting],
    offers: &Offers,
) -> Result<FanOut, sqlx::Error> {
    let parsed: Vec<(&Waiting, EventKind)> = waiting
        .iter()
        .map(|event| {
            (
                event,
                EventKind::parse(&event.event_type, &event.data, event.requested_by_person),
            )
        })
        .collect();
    let facts = read_facts(db, &parsed, offers).await?;
    let mut result = FanOut {
        decided: Vec::new(),
        jobs: Vec::new(),
    };
    for (event, kind) in &parsed {
        let fate = match decide(event, kind, &facts) {
            Ok(jobs) => {
                let mut runs: Vec<RunId> = jobs.iter().map(|job| job.run_id).collect();
                runs.dedup();
                result.jobs.extend(jobs);
                Fate::Done { runs }
            }
            Err(refusal) => refusal.fate(event),
        };
        result.decided.push(Decided {
            firm_id: event.firm_id,
            id: event.id.clone(),
            fate,
        });
    }
    Ok(result)
}

async fn read_facts<'a>(
    db: &mut PgConnection,
    parsed: &[(&Waiting, EventKind)],
    offers: &'a Offers,
) -> Result<Facts<'a>, sqlx::Error> {
    let firms: Vec<_> = parsed.iter().map(|(event, _)| event.firm_id.0).collect();
    let matter_ids: Vec<_> = parsed
        .iter()
        .filter_map(|(_, kind)| matter_of(kind))
        .map(|id| id.0)
        .collect();
    let upload_ids: Vec<_> = parsed
        .iter()
        .filter_map(|(_, kind)| upload_of(kind))
        .map(|id| id.0)
        .collect();
    let known = matters::list_known(db, &firms, &matter_ids, &upload_ids).await?;
    let mut by_firm: HashMap<FirmId, Vec<Connection>> = HashMap::new();
    let (found, unreadable) = connections::list_of_firms(db, &firms).await?;
    for connection in found {
        by_firm
            .entry(connection.firm_id)
            .or_default()
            .push(connection);
    }
    let mut facts = Facts {
        offers,
        known,
        connections: by_firm,
        unreadable,
        linked: HashSet::new(),
    };
    facts.linked = read_linked(db, parsed, &facts).await?;
    Ok(facts)
}

async fn read_linked(
    db: &mut PgConnection,
    parsed: &[(&Waiting, EventKind)],
    facts: &Facts<'_>,
) -> Result<HashSet<(ConnectionId, MatterId)>, sqlx::Error> {
    let mut asked = HashMap::new();
    for (event, kind) in parsed {
        if let EventKind::DocumentApproved { matter_id, .. } = kind {
            for connection in takes_approvals(facts.connections(event.firm_id)) {
                asked.insert((connection.id, *matter_id), connection.account());
            }
        }
    }
    let (asked, accounts): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    let matters: Vec<_> = asked.iter().map(|(_, matter)| matter.0).collect();
    let linked = links::are_linked(db, &accounts, &matters).await?;
    let linked = asked.into_iter().zip(linked);
    Ok(linked.filter_map(|(pair, is)| is.then_some(pair)).collect())
}

fn takes_approvals(connections: &[Connection]) -> impl Iterator<Item = &Connection> {
    connections
        .iter()
        .filter(|connection| connection.settings.auto_sync_on_approval)
}

fn matter_of(kind: &EventKind) -> Option<MatterId> {
    match kind {
        EventKind::DocumentApproved { matter_id, .. }
        | EventKind::MatterCreated { matter_id }
        | EventKind::IntakeCompleted { matter_id } => Some(*matter_id),
        EventKind::SyncRequested(request) => Some(request.matter_id),
        EventKind::Other | EventKind::Malformed => None,
    }
}

fn upload_of(kind: &EventKind) -> Option<UploadId> {
    match kind {
        EventKind::DocumentApproved { upload_id, .. } => Some(*upload_id),
        EventKind::MatterCreated { .. }
        | EventKind::IntakeCompleted { .. }
        | EventKind::SyncRequested(_)
        | EventKind::Other
        | EventKind::Malformed => None,
    }
}

/// A newer release may read what this one cannot.
const UNREADABLE_REST: Duration = Duration::from_secs(20);

/// Why an event makes no jobs.
enum Refusal {
    Final(&'static str),
    /// A record that it names is not there, or not approved: its transaction may not have committed yet.
    Early(&'static str),
    /// Its firm's connections cannot be read.
    Unreadable,
}

impl Refusal {
    /// What ingress made for a person names records that ingress has seen: nothing more can come.
    fn fate(&self, event: &Waiting) -> Fate {
        match *self {
            Self::Early(reason) if !event.requested_by_person => match event.next_look() {
                Some(wait) => Fate::Early { reason, wait },
                None => Fate::Rejected { reason },
            },
            Self::Early(reason) | Self::Final(reason) => Fate::Rejected { reason },
            Self::Unreadable => Fate::Early {
                reason: "unreadable_connection",
                wait: UNREADABLE_REST,
            },
        }
    }
}

/// The jobs of one event, or why it makes none.
fn decide(event: &Waiting, kind: &EventKind, facts: &Facts<'_>) -> Result<Vec<NewJob>, Refusal> {
    if let Some(refusal) = refusal(event.firm_id, kind, &facts.known) {
        return Err(refusal);
    }
    if facts.unreadable.contains(&event.firm_id) {
        return Err(Refusal::Unreadable);
    }
    let connections = facts.connections(event.firm_id);
    Ok(match kind {
        EventKind::DocumentApproved {
            matter_id,
            upload_id,
        } => document_jobs(event, facts, *matter_id, *upload_id),
        EventKind::MatterCreated { matter_id } => connections
            .iter()
            .filter(|c| c.settings.auto_sync_on_matter_created)
            .map(|c| run_context(event, c).sync_matter(*matter_id))
            .collect(),
        EventKind::SyncRequested(request) => requested_job(event, connections, request)
            .into_iter()
            .collect(),
        EventKind::IntakeCompleted { .. } | EventKind::Other | EventKind::Malformed => Vec::new(),
    })
}

fn refusal(firm: FirmId, kind: &EventKind, known: &matters::Known) -> Option<Refusal> {
    if matches!(kind, EventKind::Malformed) {
        return Some(Refusal::Final("malformed_data"));
    }
    if !known.firms.contains(&firm) {
        return Some(Refusal::Early("unknown_firm"));
    }
    let matter_id = matter_of(kind)?;
    if !known.matters.contains(&(firm, matter_id)) {
        return Some(Refusal::Early("unknown_matter"));
    }
    let upload_id = upload_of(kind)?;
    if !known.uploads.contains(&(firm, matter_id, upload_id)) {
        return Some(Refusal::Early("unknown_upload"));
    }
    (!known.approved.contains(&upload_id)).then_some(Refusal::Early("not_approved"))
}

/// `sync_matter` first where the matter is not linked, then `sync_document` where the platform takes documents; one run a connection.
fn document_jobs(
    event: &Waiting,
    facts: &Facts<'_>,
    matter_id: MatterId,
    upload_id: UploadId,
) -> Vec<NewJob> {
    let mut jobs = Vec::new();
    for connection in takes_approvals(facts.connections(event.firm_id)) {
        let run = run_context(event, connection);
        if !facts.linked.contains(&(connection.id, matter_id)) {
            jobs.push(run.sync_matter(matter_id));
        }
        if facts.offers.documents(connection.platform) {
            jobs.push(run.sync_document(matter_id, upload_id));
        }
    }
    jobs
}

/// The wished-for job, under the ids that ingress answered with. Without a connection there is nothing to do:
/// ingress has refused the request before, so it was disconnected meanwhile.
fn requested_job(
    event: &Waiting,
    connections: &[Connection],
    request: &SyncRequest,
) -> Option<NewJob> {
    let connection = connections
        .iter()
        .find(|c| c.platform == request.platform)?;
    let run = RunContext {
        run_id: request.run_id,
        priority: Priority::Person,
        explicit: true,
        ..run_context(event, connection)
    };
    match request.action {
        SyncAction::SyncMatter => Some(NewJob {
            id: request.log_id,
            ..run.sync_matter(request.matter_id)
        }),
        SyncAction::PullMatters => None,
    }
}

fn run_context(event: &Waiting, connection: &Connection) -> RunContext {
    RunContext {
        firm_id: event.firm_id,
        connection_id: connection.id,
        run_id: RunId(clock::new_id()),
        priority: Priority::Event,
        explicit: false,
        event_ids: vec![event.id.clone()],
    }
}
