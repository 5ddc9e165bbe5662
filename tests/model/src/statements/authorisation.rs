//! `authorisation::park` (`shared/src/db/authorisation.rs`, no function of the schema): a lost authorisation rests the connection.
//!
//! Left out: refusals that pass and the hourly try. Here the provider's refusal is its final word.

use crate::properties::{Property, Reached};
use crate::state::State;

/// Parks the connection, if it still has the epoch that the caller names.
#[must_use]
pub fn park(state: &State, epoch: u8) -> (State, Reached) {
    let mut to = *state;
    let connection = &mut to.connection;
    if connection.epoch != epoch || connection.parked {
        return (to, Reached::default());
    }
    connection.parked = true;
    let is_fresh = state.revoked != epoch;
    (
        to,
        Reached::default().with_if(Property::FreshParked, is_fresh),
    )
}
