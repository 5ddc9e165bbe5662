//! Running a leased job: apalis's source, the executor, the outcome of an instruction, and its commit.

pub(crate) mod backend;
pub(crate) mod executor;
pub(crate) mod outcome;

pub(crate) mod finisher;
