//! What is committed in the database.

use super::LANES;
use super::packed::{stored_enum, stored_struct};

stored_enum! {
    /// Who has locked a lane's row.
    LaneLock in 2 bits {
        #[default]
        Free,
        /// `queue_finish` of the lane's worker.
        Finish,
        TakeOver,
    }
}

stored_struct! {
    /// A row of `lanes`: one matter of the client.
    Lane {
        lock: LaneLock,
        worker: Option<u8>,
        /// Fences are compared for equality alone, so they are numbered anew in each state.
        fence: u8,
        running: Option<u8>,
        ready: bool,
        /// Two workers have died with its head: only a worker that runs alone takes it.
        suspect: bool,
        /// `gone_through`. Places are compared for order alone, so they are numbered anew in each state.
        gone: u8,
        /// The highest place of the lane whose effect stands at the provider. No column: it is for the properties.
        latest_effect: u8,
    }
}

stored_enum! {
    /// What a job syncs. It is the job's `dedupe_key` too.
    Kind in 2 bits {
        #[default]
        Matter,
        DocumentA,
        DocumentB,
    }
}

stored_enum! {
    /// Where a job stands. One that has ended has no row any more, only its log row.
    JobState in 3 bits {
        /// No job.
        #[default]
        Free,
        Queued,
        Failed,
        Done,
        Skipped,
        /// Skipped, because it joined a duplicate.
        Joined,
    }
}

stored_enum! {
    /// The status of a log row.
    Log in 2 bits {
        #[default]
        Pending,
        Success,
        Failed,
        Skipped,
    }
}

stored_enum! {
    /// Why a job has failed, as far as a later step asks for it.
    Code in 1 bits {
        #[default]
        Other,
        /// `matter_not_synced`: the matter's success puts it back.
        MatterNotSynced,
    }
}

stored_struct! {
    /// A row of `jobs`, with the status of its log row.
    Job {
        state: JobState,
        lane: u8,
        kind: Kind,
        seq: u8,
        code: Code,
        lost: u8,
        cancelled: bool,
        explicit: bool,
        log: Log,
        /// The duplicate that it joined.
        joined: Option<u8>,
        /// It has run before. For the properties.
        ran: bool,
    }
}

stored_enum! {
    /// A row of `workers`.
    Row in 2 bits {
        /// The process has not started yet.
        #[default]
        NotYet,
        There,
        Deleted,
    }
}

stored_enum! {
    /// A worker's process.
    Process in 2 bits {
        #[default]
        NotYet,
        Runs,
        Dead,
    }
}

stored_enum! {
    /// How far a worker's `queue_lease` is.
    Leasing in 2 bits {
        #[default]
        No,
        /// Its own row was alive, and is locked `for key share`.
        Alive,
        /// The connection is visited: no pause, capacity.
        Visiting,
    }
}

stored_struct! {
    /// A worker: its row and its process.
    Worker {
        row: Row,
        /// `alive_until` has passed.
        lapsed: bool,
        /// It runs alone: it takes suspect lanes and nothing else.
        alone: bool,
        /// `renewed_since` is less than a lease ago.
        fresh: bool,
        /// A takeover has locked its row.
        locked: bool,
        process: Process,
        leasing: Leasing,
        /// The lanes' heads as read before the lanes are locked: only where that safeguard is taken away.
        heads: [Option<u8>; LANES],
    }
}

stored_enum! {
    /// `links.state`.
    LinkState in 3 bits {
        /// No link that is not superseded.
        #[default]
        None,
        Claimed,
        Creating,
        Accepted,
        Linked,
    }
}

stored_enum! {
    /// How far the time of an intent has gone.
    Intent in 2 bits {
        /// The bytes may still leave.
        #[default]
        MaySend,
        /// `send_until` has passed.
        Sent,
        /// The visibility delay has passed as well.
        Visible,
    }
}

stored_enum! {
    /// `links.missing_since`.
    Missing in 2 bits {
        #[default]
        No,
        /// A read did not find the record.
        Noted,
        /// And enough time has passed for a second read to prove it.
        Provable,
    }
}

stored_struct! {
    /// A row of `links`.
    Link {
        state: LinkState,
        /// The lane that holds it.
        holder: Option<u8>,
        fence: u8,
        intent: Intent,
        /// `doubted_at` is set.
        doubted: bool,
        /// `looked_at` is set: a search found nothing.
        looked: bool,
        missing: Missing,
        /// The worker whose `link_claim` has locked the row.
        lock: Option<u8>,
    }
}

stored_struct! {
    /// The row of the connection, and its pauses.
    Connection {
        epoch: u8,
        /// A person's pause.
        paused: bool,
        /// `needs_reconnect_reason` is set, with the pause of that name.
        parked: bool,
        /// The worker whose lease visits it: the advisory lock.
        visited: Option<u8>,
    }
}
