//! The HTTP shell: what every platform's calls have in common. It names no platform; what differs is data of the profile.
//!
//! A call's way: permit ([`Session`]) → request → response → limits → refusal → record.

mod call;
mod error;
mod http;
mod resolve;

mod limits;
mod refusal;
mod request;
mod response;

mod session;
mod shown;
mod sign_in;
mod transfer;

pub use call::{Body, Call};
pub use error::{CallError, ProviderError, Words};
pub use http::{Http, HttpSettings};
pub use refusal::Refusal;
pub use response::Reply;
pub use session::{Session, SessionSettings};
pub use transfer::{Target, TransferError};

pub(super) use response::read_bounded;

use refusal::classify;
