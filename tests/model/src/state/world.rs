//! The provider, and how often something may still go wrong or be done by people.

use super::packed::stored_struct;

stored_struct! {
    /// What stands at the provider for one effect.
    Record {
        present: u8,
        deleted: u8,
        /// A person has restored it, and nobody has noted it since. For the properties.
        restored: bool,
    }
}

stored_struct! {
    /// A create that is under way.
    Request {
        effect: Option<u8>,
        /// The worker that waits for the answer.
        waiting: Option<u8>,
        applied: bool,
        lane: u8,
        seq: u8,
    }
}

stored_struct! {
    /// Each fault and each act happens at most this often.
    Budget {
        lapse: u8,
        kill: u8,
        start: u8,
        lose_answer: u8,
        lose_request: u8,
        refuse: u8,
        /// A lost answer that was the job's last attempt.
        last_attempt: u8,
        /// A read that does not find a record which stands.
        blink: u8,
        revoke: u8,
        cancel: u8,
        retry: u8,
        skip: u8,
        pause: u8,
        resume: u8,
        reconnect: u8,
        delete: u8,
        restore: u8,
    }
}
