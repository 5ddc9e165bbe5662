//! Callers: who they are by their token, and what their role allows.

mod authority;
mod caller;
mod key_set;
mod roles;

pub(crate) use authority::Authority;
pub(crate) use caller::{Caller, Counted, Guest};
pub(crate) use roles::Bearer;
