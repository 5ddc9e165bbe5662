//! Reads what an operator chose for each platform: `{PLATFORM}_…`, and `{PLATFORM}_{REGION}_…` for regions beside the default one.

use std::collections::HashMap;

use url::Url;

use super::Reader;
use crate::domain::Region;
use crate::limit::Budget;
use crate::providers::profile::{Profile, TokenStyle};
use crate::providers::{Credentials, Entry, ProviderSettings};

/// All platforms; nothing where one of them has a mistake, which is noted.
pub(super) fn read(
    reader: &mut Reader<'_>,
    entries: &[Entry],
    allow_test_providers: bool,
) -> Option<Vec<ProviderSettings>> {
    let read: Vec<_> = entries
        .iter()
        .map(|entry| read_one(reader, *entry, allow_test_providers))
        .collect();
    read.into_iter().collect()
}

fn read_one(
    reader: &mut Reader<'_>,
    entry: Entry,
    allow_test_providers: bool,
) -> Option<ProviderSettings> {
    let profile = entry.profile;
    let platform = profile.platform.as_str().to_uppercase();
    let credentials = profile
        .hosts
        .iter()
        .filter_map(|(region, _)| Some((*region, read_credentials(reader, profile, *region)?)))
        .collect::<HashMap<_, _>>();
    let base_name = format!("{platform}_BASE_URL");
    let base_url = reader.optional(&base_name);
    if let Some(base) = &base_url
        && !(allow_test_providers && is_loopback(base))
    {
        reader.note(
            &base_name,
            "must be http://127.0.0.1:port/… and needs ALLOW_TEST_PROVIDERS=1",
        );
    }
    let budget_name = format!("{platform}_BUDGET");
    let budget = match reader.optional(&budget_name) {
        Some(text) => reader.check(&budget_name, Budget::parse(&text)),
        None => Some(profile.budget),
    };
    let delay_name = format!("{platform}_VISIBILITY_DELAY_SECONDS");
    // The kernel may send what it has for a send deadline longer, and as long again is left for the answer.
    let shortest = if allow_test_providers { 0 } else { 6 };
    let visibility_delay = reader.seconds(
        &delay_name,
        profile.visibility_delay.as_secs(),
        shortest..=3600,
    );
    Some(ProviderSettings {
        entry,
        credentials,
        base_url,
        budget: budget?,
        visibility_delay: visibility_delay?,
    })
}

/// The credentials of a region; nothing where there are none, or where one half is missing, which is noted.
fn read_credentials(
    reader: &mut Reader<'_>,
    profile: &Profile,
    region: Region,
) -> Option<Credentials> {
    let platform = profile.platform.as_str();
    let prefix = if region == profile.default_region() {
        platform.to_uppercase()
    } else {
        format!("{platform}_{region}").to_uppercase()
    };
    let (id, secret) = (
        format!("{prefix}_CLIENT_ID"),
        format!("{prefix}_CLIENT_SECRET"),
    );
    let api_key = match profile.dialect.token {
        TokenStyle::Bearer => None,
        TokenStyle::BearerAndKey(_) => reader.optional(&format!("{prefix}_API_KEY")),
    };
    match (reader.optional(&id), reader.optional(&secret)) {
        (Some(client_id), Some(client_secret)) => Some(Credentials {
            client_id,
            client_secret: client_secret.into(),
            api_key: api_key.map(Into::into),
        }),
        (None, None) => None,
        (Some(_), None) => {
            reader.note(&secret, "is missing beside its id");
            None
        }
        (None, Some(_)) => {
            reader.note(&id, "is missing beside its secret");
            None
        }
    }
}

fn is_loopback(base: &str) -> bool {
    Url::parse(base).is_ok_and(|url| url.scheme() == "http" && url.host_str() == Some("127.0.0.1"))
}
