//! What people do to the queue, over the real executables.

mod batches;
mod jobs;
mod pauses;
