//! Connecting, second half: the browser comes back from the provider with a code.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::Deserialize;
use shared::clock;
use shared::crypto::Place;
use shared::db::{authorisation, connections, oauth_states, tokens::Grant, violates};
use shared::domain::connection::Identity;
use shared::domain::{ConnectionId, FirmId, Platform, Region};
use shared::limit;
use shared::providers::{Challenge, Configured, GrantedTokens, OAuthError};
use shared::queue;
use utoipa::IntoParams;

use crate::api::connect::firm_of;
use crate::auth::Guest;
use crate::body::{PlatformPath, QueryOf};
use crate::error::{ApiError, ApiResult};
use crate::landing::Landing;
use crate::state::AppState;

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Takes the provider's code: exchanges it, learns the account, stores the connection, and lands on the dashboard.
#[utoipa::path(get, path = "/api/v1/integrations/{platform}/callback", params(("platform" = Platform, Path), CallbackQuery),
    responses((status = 302)))]
pub(crate) async fn receive_callback(
    State(state): State<AppState>,
    guest: Guest,
    PlatformPath(platform): PlatformPath,
    QueryOf(query): QueryOf<CallbackQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let landing = match connect(&state, platform, query, &headers).await {
        Ok(()) => Landing::Connected,
        Err(Stopped::Landed(INVALID_STATE)) => {
            guest.count()?;
            Landing::Error(INVALID_STATE)
        }
        Err(Stopped::Landed(code)) => Landing::Error(code),
        Err(Stopped::Refused(error)) => return Err(error),
    };
    let mut response = state.land(platform, landing);
    if let Ok(value) = HeaderValue::from_str(&state.cookie().unset()) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// The request proved nothing.
const INVALID_STATE: &str = "invalid_state";

/// Why there is no connection: a reason that the landing page shows, or an error of the service.
enum Stopped {
    Landed(&'static str),
    Refused(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

async fn connect(
    state: &AppState,
    platform: Platform,
    query: CallbackQuery,
    headers: &HeaderMap,
) -> Result<(), Stopped> {
    let (firm, region, challenge) = take_state(state, platform, &query, headers).await?;
    if let Some(error) = query.error {
        let denied = error == "access_denied";
        return Err(Stopped::Landed(if denied {
            "access_denied"
        } else {
            "provider_refused"
        }));
    }
    let code = query.code.ok_or(Stopped::Landed("provider_refused"))?;
    let not_configured = || Stopped::Landed("not_configured");
    let configured = state.providers.of(platform).ok_or_else(not_configured)?;
    let oauth = configured.oauth(region).ok_or_else(not_configured)?;
    let tokens = oauth
        .exchange(&code, &state.callback_url(platform), &challenge)
        .await
        .map_err(|error| {
            tracing::warn!(error = %error, platform = %platform, "a code was not exchanged");
            Stopped::Landed(match error {
                OAuthError::Refused => "provider_refused",
                OAuthError::Misconfigured(_) => "not_configured",
                OAuthError::Unavailable { .. } => "provider_unavailable",
            })
        })?;
    let identity = configured
        .provider
        .identify(region, &tokens)
        .await
        .map_err(|error| {
            tracing::warn!(error = %error, platform = %platform, "the account could not be learnt");
            Stopped::Landed("provider_unavailable")
        })?;
    store(state, firm, configured, region, &identity, &tokens).await
}

/// State and cookie together, used up by this very request.
async fn take_state(
    state: &AppState,
    platform: Platform,
    query: &CallbackQuery,
    headers: &HeaderMap,
) -> Result<(FirmId, Region, Challenge), Stopped> {
    let invalid = Stopped::Landed(INVALID_STATE);
    let token = query.state.as_deref().unwrap_or_default();
    let (Some(firm), Some(cookie)) = (firm_of(token), cookie(headers, state.cookie().name()))
    else {
        return Err(invalid);
    };
    let mut db = state.firm(firm).await?;
    let begun = oauth_states::take_state(&mut db, firm, platform, token, cookie)
        .await
        .map_err(ApiError::from)?;
    db.commit().await.map_err(ApiError::from)?;
    let challenge = Challenge::of(cookie);
    begun
        .map(|begun| (firm, begun.region, challenge))
        .ok_or(invalid)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// One commit: the connection with its sealed tokens, its bucket with the call that was just made, and no pause any more.
async fn store(
    state: &AppState,
    firm: FirmId,
    configured: &Configured,
    region: Region,
    identity: &Identity,
    tokens: &GrantedTokens,
) -> Result<(), Stopped> {
    let platform = configured.profile().platform;
    let mut db = state.firm(firm).await?;
    let present = connections::find_by_platform(&mut db, firm, platform)
        .await
        .map_err(ApiError::from)?;
    let id = present.map_or_else(|| ConnectionId(clock::new_id()), |connection| connection.id);
    let place = |column| Place {
        firm,
        connection: id,
        column,
    };
    let access = state.keys.seal(&tokens.access, place("access_token"));
    let refresh = tokens
        .refresh
        .as_ref()
        .map(|t| state.keys.seal(t, place("refresh_token")));
    let grant = Grant {
        access: &access,
        refresh: refresh.as_deref(),
        expires_in: tokens.expires_in,
    };
    let stored = connections::upsert(&mut db, id, firm, platform, region, identity, &grant).await;
    stored.map_err(|error| {
        if violates(&error, "firm_integrations_account_key") {
            Stopped::Landed("account_in_use")
        } else if violates(&error, "firm_integrations_platform_key") {
            Stopped::Landed("already_connected")
        } else {
            Stopped::Refused(error.into())
        }
    })?;
    let caller = limit::Caller {
        platform,
        region,
        firm,
        connection: id,
    };
    let counted_by = configured.profile().counted_by;
    let bucket = limit::Bucket::of(caller, counted_by, configured.budget);
    limit::open(&mut db, &bucket)
        .await
        .map_err(ApiError::from)?;
    authorisation::unpark(&mut db, id)
        .await
        .map_err(ApiError::from)?;
    queue::notify_everything(&mut db)
        .await
        .map_err(ApiError::from)?;
    db.commit().await.map_err(ApiError::from)?;
    tracing::info!(connection.id = %id, platform = %platform, "connected");
    Ok(())
}
