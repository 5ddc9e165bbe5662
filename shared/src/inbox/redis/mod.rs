//! The second inbox: a Redis stream, for when Postgres is away or slow, and for bursts.
//!
//! An entry of the stream is one event; a batch is added in one `MULTI`. States of an entry: added (by ingress) → delivered
//! (pending in the group, to the drain that reads it) → gone (moved into the Postgres inbox, or set aside as unreadable in
//! [`DEAD`]). Only the drain takes entries out.
//!
//! Redis keeps what it takes only where its settings say so: [`durability`] checks them.

mod address;
mod durability;
mod entry;
mod session;

mod drain;
mod inbox;

pub use address::RedisAddress;
pub use drain::{Moved, RedisDrain};
pub use inbox::RedisInbox;

/// The stream that ingress adds to.
const STREAM: &str = "casehug:inbox";
/// What no drain can read lies here until a person has looked at it.
const DEAD: &str = "casehug:inbox:dead";
/// One group, and one consumer in it: one drain acts at a time.
const GROUP: &str = "casehug";
const CONSUMER: &str = "drain";
