//! What e2e, chaos, bench and the demo share: a private PostgreSQL and Redis, real processes, a proxy that
//! holds messages, and callers' tokens. It knows nothing of the product's code.

mod clock;
mod eventually;
mod guard;

pub mod app;
pub mod cluster;
mod database;
mod template;

mod process;
pub mod proxy;
mod redis;
mod say;
mod token;

pub use app::{App, AppSettings};
pub use cluster::{Cluster, Mode};
pub use database::Database;
pub use eventually::eventually;
pub use process::{Process, built_program, free_port, kill9_started, open_files, repository, runs};
pub use proxy::{Held, Hold, Protocol, Proxy, Side, Stall, Step};
pub use redis::Redis;
pub use say::say;
pub use template::template;
pub use token::Tokens;
