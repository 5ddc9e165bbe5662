//! Connecting, first half: a ticket for the browser, then the browser's way to the provider.
//!
//! The caller with a token gets a one-time ticket; the browser that follows it gets a cookie, and only that browser can
//! finish. So a person cannot connect another person's consent to their own firm.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::crypto;
use shared::db::oauth_states::{self, Begun};
use shared::domain::{FirmId, Platform, Region};
use shared::providers::{Challenge, Configured};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::{Caller, Guest};
use crate::body::{ObjectBody, PlatformPath, QueryOf};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::landing::{Landing, redirect};
use crate::state::AppState;

const TICKET_LIVES: Duration = Duration::from_mins(1);
const STATE_LIVES: Duration = Duration::from_mins(10);

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct FirmQuery {
    firm_id: Option<Uuid>,
}

/// Which of the platform's regions; its default one when nothing is said.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ConnectBody {
    region: Option<Region>,
}

/// Where to send the browser, within a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectAnswer {
    url: String,
}

/// Begins a connect: answers an address for the browser, good for 60 seconds and one use.
#[utoipa::path(post, path = "/api/v1/integrations/{platform}/connect", request_body = ConnectBody,
    params(("platform" = Platform, Path), FirmQuery), security(("bearer" = ["firm_admin", "operator"])),
    responses((status = 200, body = ConnectAnswer), (status = 409, body = ErrorBody)))]
pub(crate) async fn begin_connect(
    State(state): State<AppState>,
    caller: Caller,
    PlatformPath(platform): PlatformPath,
    QueryOf(query): QueryOf<FirmQuery>,
    ObjectBody(body): ObjectBody<ConnectBody>,
) -> ApiResult<Json<ConnectAnswer>> {
    let firm = caller.firm(query.firm_id.map(FirmId))?;
    let configured = state.configured(platform)?;
    let region = read_region(configured, &body)?;
    configured.oauth(region).ok_or(ApiError::NotConfigured)?;
    let ticket = bound_token(firm);
    let begun = Begun {
        platform,
        region,
        actor: caller.subject,
    };
    let mut db = state.firm(firm).await?;
    oauth_states::insert_ticket(&mut db, firm, &begun, &ticket, TICKET_LIVES)
        .await
        .map_err(|error| {
            ApiError::unless(error, "oauth_states_firm_id_fkey", ApiError::NotFound)
        })?;
    db.commit().await?;
    let path = format!("api/v1/integrations/{platform}/connect?ticket={ticket}");
    Ok(Json(ConnectAnswer {
        url: state.address(&path),
    }))
}

/// One of the platform's own regions.
fn read_region(configured: &Configured, body: &ConnectBody) -> Result<Region, ApiError> {
    let profile = configured.profile();
    let region = body.region.unwrap_or(profile.default_region());
    if profile.has_region(region) {
        Ok(region)
    } else {
        Err(ApiError::field(
            "region",
            "must be one of the platform's regions",
        ))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct TicketQuery {
    ticket: Option<String>,
}

/// Follows a ticket: sets the cookie and sends the browser to the provider.
#[utoipa::path(get, path = "/api/v1/integrations/{platform}/connect", params(("platform" = Platform, Path), TicketQuery),
    responses((status = 302)))]
pub(crate) async fn follow_ticket(
    State(state): State<AppState>,
    guest: Guest,
    PlatformPath(platform): PlatformPath,
    QueryOf(query): QueryOf<TicketQuery>,
) -> ApiResult<Response> {
    let ticket = query.ticket.unwrap_or_default();
    let invalid = || {
        guest.count()?;
        Ok(state.land(platform, Landing::Error("invalid_ticket")))
    };
    let Some(firm) = firm_of(&ticket) else {
        return invalid();
    };
    let mut db = state.firm(firm).await?;
    let Some(begun) = oauth_states::take_ticket(&mut db, firm, platform, &ticket).await? else {
        return invalid();
    };
    let (state_token, cookie) = (bound_token(firm), crypto::new_token());
    oauth_states::insert_state(&mut db, firm, &begun, &state_token, &cookie, STATE_LIVES).await?;
    db.commit().await?;
    let configured = state.providers.of(platform);
    let Some(oauth) = configured.and_then(|one| one.oauth(begun.region)) else {
        return Ok(state.land(platform, Landing::Error("not_configured")));
    };
    let challenge = Challenge::of(&cookie);
    let to = oauth.authorize_url(&state.callback_url(platform), &state_token, &challenge);
    let mut response = redirect(to.as_str());
    if let Ok(value) = HeaderValue::from_str(&state.cookie().set(&cookie)) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// A random token that names its firm, so that it is looked up under that firm's own row level security.
fn bound_token(firm: FirmId) -> String {
    format!("{}.{}", firm.0.simple(), crypto::new_token())
}

/// The firm that a token names. That it is no forgery is for the stored hash to say.
pub(crate) fn firm_of(token: &str) -> Option<FirmId> {
    token.split_once('.')?.0.parse().ok().map(FirmId)
}

/// The connect cookie's name and attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ConnectCookie {
    /// `__Host-`: https only, this host alone.
    Host,
    /// On loopback, where there is no https.
    Plain,
}

impl ConnectCookie {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "__Host-casehug_connect",
            Self::Plain => "casehug_connect",
        }
    }

    fn set(self, value: &str) -> String {
        let secure = match self {
            Self::Host => "; Secure",
            Self::Plain => "",
        };
        let lives = STATE_LIVES.as_secs();
        format!(
            "{}={value}; Path=/; Max-Age={lives}; HttpOnly; SameSite=Lax{secure}",
            self.name()
        )
    }

    /// Takes the cookie back.
    pub(crate) fn unset(self) -> String {
        self.set("").replace("Max-Age=600", "Max-Age=0")
    }
}

impl AppState {
    pub(crate) fn cookie(&self) -> ConnectCookie {
        if self.public_url.scheme() == "https" {
            ConnectCookie::Host
        } else {
            ConnectCookie::Plain
        }
    }
}
