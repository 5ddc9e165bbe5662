//! The queue's own steps, as a worker asks for them.

mod joins;
mod links;
mod races;
mod reads;
mod steps;
mod suspects;
mod takeover;

use crate::test_queue::TestQueue;

/// The connections that lanes are spread over. Their platform's cap is 4.
const CONNECTIONS: usize = 75;

async fn start() -> TestQueue {
    TestQueue::start(CONNECTIONS, 16).await
}
