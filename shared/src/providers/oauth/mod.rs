//! OAuth 2.0, authorization code. The platforms' differences are data of their profiles.

mod client;
mod tokens;

pub use client::{Challenge, Credentials, GrantedTokens, OAuthClient, OAuthError};
pub use tokens::REFRESH_BEFORE;

pub(super) use tokens::Tokens;
