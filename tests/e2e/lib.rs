//! What the end-to-end tests and the demo check alike.

pub mod clio_requests;
