//! OAuth 2.0, authorization code. The platforms' differences are data of their profiles.

mod client;
mod refresh;
mod tokens;

pub use client::{Challenge, Credentials, GrantedTokens, OAuthClient, OAuthError};
pub use refresh::REFRESH_BEFORE;

pub(super) use refresh::Refresher;
pub(super) use tokens::{Replaced, Tokens};
