//! Where Redis is, and how it is connected to.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};

const CONNECT: Duration = Duration::from_secs(2);
/// Shorter than the 5 s that a transaction of the drain may idle; longer than any disk that is worth waiting for.
const ANSWER: Duration = Duration::from_secs(3);

/// The address of `REDIS_URL`, which may hold a password.
#[derive(Clone)]
pub struct RedisAddress(Client);

impl std::fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisAddress([redacted])")
    }
}

impl RedisAddress {
    /// Reads `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(url: &str) -> Result<Self, String> {
        Client::open(url)
            .map(Self)
            .map_err(|_| "must be redis://host:port or rediss://host:port".to_owned())
    }

    /// A new connection. Not the crate's connection manager: it connects again by itself, and what is behind the address then
    /// has to be looked at first.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        self.0
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}
