//! Who may call what.

use axum::http::Method;
use serde::Deserialize;
use utoipa::Modify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

/// What a caller may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    FirmAdmin,
    FirmMember,
    Operator,
    Service,
}

/// Every route that asks for a caller, with its roles. The API's description says the same, and a test walks both.
const MAY: &[(&str, &str, &[Role])] = {
    use Role::{FirmAdmin, FirmMember, Operator, Service};
    &[
        ("POST", "/api/v1/events", &[Service]),
        (
            "GET",
            "/api/v1/events/{id}",
            &[Service, Operator, FirmAdmin],
        ),
        (
            "POST",
            "/api/v1/integrations/{platform}/connect",
            &[FirmAdmin, Operator],
        ),
        (
            "GET",
            "/api/v1/integrations/{platform}/status",
            &[FirmAdmin, FirmMember, Operator],
        ),
        (
            "POST",
            "/api/v1/integrations/{platform}/sync",
            &[FirmAdmin, FirmMember, Operator],
        ),
        (
            "GET",
            "/api/v1/integrations/{platform}/sync",
            &[FirmAdmin, FirmMember, Operator],
        ),
        ("GET", "/api/v1/jobs", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/jobs/failures", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/probe", &[Operator]),
        ("POST", "/api/v1/jobs/retry", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/jobs/{id}", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/jobs/{id}/provider-words", &[FirmAdmin]),
        ("POST", "/api/v1/jobs/{id}/retry", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/skip", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/cancel", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/run-now", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/jobs/{id}/adopt", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/batches/{id}", &[FirmAdmin, Operator]),
        (
            "POST",
            "/api/v1/batches/{id}/cancel",
            &[FirmAdmin, Operator],
        ),
        ("GET", "/api/v1/pauses", &[FirmAdmin, Operator]),
        ("POST", "/api/v1/pauses", &[FirmAdmin, Operator]),
        ("DELETE", "/api/v1/pauses", &[FirmAdmin, Operator]),
        ("GET", "/api/v1/limits", &[FirmAdmin, Operator]),
    ]
};

/// Whether a role may call a route, by its template.
pub(super) fn may(role: Role, method: &Method, template: &str) -> bool {
    MAY.iter().any(|(may_method, may_template, roles)| {
        method == may_method && template == *may_template && roles.contains(&role)
    })
}

/// The bearer scheme in the API's description; a route's scopes there are the roles that may call it.
#[derive(Debug)]
pub(crate) struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}
