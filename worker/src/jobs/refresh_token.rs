//! `refresh_token`: gets a new access token before the old one ends, also where nothing else is to be done: a firm learns that its
//! authorisation is gone before it needs it, and a refresh token that ends unused is used.
//!
//! Safe to run twice: a refresh is single flight by token version, and a token that is good is left alone.

use shared::domain::outcome::{Instruction, Report};

use crate::context::Execution;

/// Runs the job.
pub async fn run(execution: &Execution) -> Instruction {
    execution
        .instruction_of(async {
            execution.open().await?.session.authorise().await?;
            Ok(Report::default())
        })
        .await
}
