//! Callers: who they are by their token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts, MatchedPath};
use axum::http::{HeaderMap, header, request::Parts};
use shared::config::IpNet;
use shared::domain::FirmId;

use super::authority::Authority;
use super::roles::{Role, may};
use crate::error::ApiError;
use crate::limits::{CallerKey, CallerLimits};

/// A verified caller, whose role may call this route: checked before anything else of the request is read.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) role: Role,
    pub(crate) subject: String,
    pub(super) firm: Option<FirmId>,
}

impl Caller {
    /// The firm that is asked about: a firm's own caller has one; operators and services name it.
    pub(crate) fn firm(&self, named: Option<FirmId>) -> Result<FirmId, ApiError> {
        match (self.firm, named) {
            (Some(own), Some(named)) if own != named => Err(ApiError::NotFound),
            (Some(own), _) => Ok(own),
            (None, Some(named)) => Ok(named),
            (None, None) => Err(ApiError::field("firm_id", "is missing")),
        }
    }

    /// Whose records are meant: a firm's own caller's, or those that an operator names; all firms' when he names none.
    pub(crate) fn whose(&self, named: Option<FirmId>) -> Result<Option<FirmId>, ApiError> {
        match (self.role, named) {
            (Role::Operator, None) => Ok(None),
            _ => self.firm(named).map(Some),
        }
    }

    /// Operators alone act for all firms.
    pub(crate) fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }
}

/// Not for `AppState` by name: the state holds the authority, and nothing here needs to know more of it.
impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Authority>: FromRef<S>,
    Arc<[IpNet]>: FromRef<S>,
    CallerLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = match bearer(parts) {
            Some(token) => Arc::<Authority>::from_ref(state).verify(token).await?,
            None => None,
        };
        let Some(caller) = caller else {
            Counted::from_request_parts(parts, state).await?;
            return Err(ApiError::Unauthorized);
        };
        let limits = CallerLimits::from_ref(state);
        limits.check(&CallerKey::Subject(caller.firm, caller.subject.clone()))?;
        if let Some(firm) = caller.firm {
            limits.check_firm(firm)?;
        }
        let template = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        if may(caller.role, &parts.method, template) {
            Ok(caller)
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

/// The token of `Authorization: Bearer`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A caller without a token, by address. Not counted yet: who brings a ticket or a state that is good shares his address with others.
#[derive(Debug)]
pub(crate) struct Guest {
    address: IpAddr,
    limits: CallerLimits,
}

impl Guest {
    /// Counts a request that proved nothing.
    pub(crate) fn count(&self) -> Result<(), ApiError> {
        self.limits.check(&CallerKey::Address(self.address))
    }

    /// Counts a request for the API's description, apart from the others.
    pub(crate) fn count_reader(&self) -> Result<(), ApiError> {
        self.limits.check(&CallerKey::Reader(self.address))
    }
}

impl<S> FromRequestParts<S> for Guest
where
    S: Send + Sync,
    CallerLimits: FromRef<S>,
    Arc<[IpNet]>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::Unavailable)?;
        let proxies = Arc::<[IpNet]>::from_ref(state);
        Ok(Self {
            address: network_of(client_address(&parts.headers, peer.ip(), &proxies)),
            limits: CallerLimits::from_ref(state),
        })
    }
}

/// A guest who has been counted.
#[derive(Debug)]
pub(crate) struct Counted;

impl<S> FromRequestParts<S> for Counted
where
    S: Send + Sync,
    Guest: FromRequestParts<S, Rejection = ApiError>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let guest = Guest::from_request_parts(parts, state).await?;
        guest.count().map(|()| Self)
    }
}

/// The peer, or whom a trusted proxy names: the last address of `X-Forwarded-For` that is no trusted proxy's. What stands before it
/// the client may have written himself.
fn client_address(headers: &HeaderMap, peer: IpAddr, proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let mut client = peer.to_canonical();
    let forwarded = headers.get_all("x-forwarded-for");
    let named: Vec<&str> = forwarded
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for name in named.into_iter().rev() {
        if !is_trusted(&client) {
            break;
        }
        let Ok(address) = name.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// One IPv6 host has a network of 2^64 addresses.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_the_last_address_that_no_trusted_proxy_has() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", "", "192.0.2.1"),
            ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
            (
                "10.0.0.1",
                "1.1.1.1, 198.51.100.7 , 10.9.9.9,10.0.0.2",
                "198.51.100.7",
            ),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("fd00::1", "2001:db8::5", "2001:db8::5"),
            ("10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            let mut headers = HeaderMap::new();
            if !forwarded.is_empty() {
                headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            }
            let client = client_address(&headers, peer.parse().unwrap(), &proxies);
            assert_eq!(
                client,
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {forwarded}"
            );
        }
    }

    #[test]
    fn an_ipv6_host_is_its_network() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();

        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
