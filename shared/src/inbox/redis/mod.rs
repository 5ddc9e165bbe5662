//! The second inbox: a Redis stream, for when Postgres is away or slow, and for bursts.
//!
//! An entry of the stream is one event; a batch is added in one `MULTI`. States of an entry: added (by ingress) → delivered
//! (pending in the group, to the mover that reads it) → gone (moved into the Postgres inbox, or set aside as unreadable in
//! [`DEAD`]). Only the mover takes entries out.
//!
//! Redis keeps what it takes only when it is told to: [`fitness`] says what is asked of it.

mod address;
mod entry;
mod fitness;
mod session;

mod inbox;
mod mover;

pub use address::RedisAddress;
pub use inbox::RedisInbox;
pub use mover::{Moved, Mover};

/// The stream that ingress adds to.
const STREAM: &str = "casehug:inbox";
/// What no mover can read lies here until a person has looked at it.
const DEAD: &str = "casehug:inbox:dead";
/// One group, and one consumer in it: one mover acts at a time.
const GROUP: &str = "casehug";
const CONSUMER: &str = "mover";
