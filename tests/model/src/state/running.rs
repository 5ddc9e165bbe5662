//! Where each execution and each transaction of more than one statement stands.

use super::packed::{stored_enum, stored_struct};
use super::tables::Kind;

stored_enum! {
    /// The next statement or call of an execution.
    At in 5 bits {
        #[default]
        Idle,
        /// Reads the connection.
        Open,
        /// A document reads its matter's link.
        Facts,
        ClaimLock,
        ClaimLive,
        ClaimVerdict,
        PermitFence,
        PermitEpoch,
        PermitCancelled,
        PermitPaused,
        PermitLink,
        /// Permitted: the call is next.
        Call,
        /// Waits for the answer of a create.
        Answer,
        Complete,
        /// Writes what a search or a look found.
        Found,
        /// Writes that nothing was created.
        NotSent,
        NoteMissing,
        Supersede,
        /// A matter lists its documents.
        FollowUps,
        /// Only where that safeguard is taken away: reads the connection again.
        ParkRead,
        Park,
        Finish,
        FinishLocked,
    }
}

stored_enum! {
    /// The record that an execution is at.
    Stage in 2 bits {
        #[default]
        Contact,
        Matter,
        Document,
        /// A document's bytes and their confirmation.
        Bytes,
    }
}

stored_enum! {
    /// What a call asks of the provider.
    Ask in 3 bits {
        #[default]
        Create,
        Search,
        Look,
        Confirm,
        /// Whether a record that is linked is still there.
        Read,
    }
}

stored_enum! {
    /// What an execution says of itself at its end.
    Says in 3 bits {
        #[default]
        Nothing,
        Done,
        /// A snooze, a retry or a parked connection.
        Later,
        MatterNotSynced,
        Fail,
        Cancelled,
    }
}

stored_struct! {
    /// One execution of a job. It keeps what the lease told it.
    Execution {
        at: At,
        /// Nothing where the job has no row any more.
        job: Option<u8>,
        lane: u8,
        fence: u8,
        kind: Kind,
        seq: u8,
        explicit: bool,
        /// The lease said that the job was cancelled.
        cancelled: bool,
        /// The connection's epoch when its session was opened.
        epoch: u8,
        stage: Stage,
        ask: Ask,
        /// The send deadline of its create has passed.
        late: bool,
        /// The claim said that the last read did not find the record.
        missing: bool,
        /// How many records the provider showed, 2 for more than one.
        found: u8,
        says: Says,
        /// Another execution has superseded the link that it is at.
        superseded: bool,
        /// The finish has read a pause.
        paused: bool,
        /// Documents that follow, one bit each.
        follow_ups: u8,
    }
}

stored_enum! {
    /// How far a takeover is.
    TakingOver in 2 bits {
        #[default]
        No,
        /// The dead worker's row is locked.
        RowLocked,
        /// And its lanes.
        LanesLocked,
    }
}

stored_struct! {
    /// `queue_take_over`, one at a time.
    TakeOver {
        step: TakingOver,
        by: u8,
        dead: u8,
        /// The lanes that it found, one bit each.
        lanes: u8,
    }
}

stored_struct! {
    /// The relay.
    Relay {
        /// The next event.
        event: u8,
        has_read: bool,
        /// The event's matter was linked when the relay looked.
        linked: bool,
    }
}
