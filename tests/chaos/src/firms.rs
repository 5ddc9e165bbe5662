//! The firms: each with its own account at the provider, and clients who partly share an e-mail address.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use harness::App;
use harness::app::{Matter, Person, Platform};
use serde_json::json;
use uuid::Uuid;

use crate::arguments::Arguments;
use crate::ledger::Ledger;

const FIRMS: u64 = 24;
const CLIENTS: usize = 10;
/// Fewer than clients: some are two persons with one address, and meet in one contact.
const ADDRESSES: usize = 7;
const FIRST_MATTERS: usize = 3;
/// As a firm that wants its matters at once, and not with their first document.
const SETTINGS: &str = "update firm_integrations \
    set settings = settings || '{\"auto_sync_on_matter_created\": true}' where firm_id = $1";
const FIRST_ACCOUNT: u64 = 5001;

#[derive(Debug)]
pub(crate) struct Firm {
    id: Uuid,
    platform: Platform,
    account: u64,
    clients: Vec<Client>,
    matters: Mutex<Vec<Matter>>,
}

#[derive(Debug, Clone)]
struct Client {
    id: Uuid,
    email: String,
}

impl Firm {
    /// A new case of this firm's client with this number.
    pub(crate) async fn open_matter(
        &self,
        app: &App,
        ledger: &Ledger,
        client: usize,
    ) -> Result<Matter> {
        let client = &self.clients[client % self.clients.len()];
        let matter = app.matter(self.id, client.id, "A case", None).await?;
        let line = json!({ "matter": matter.id, "firm": self.id, "platform": self.platform.word(), "account": self.account,
            "email": client.email });
        ledger.note("matters", &line)?;
        self.matters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(matter);
        Ok(matter)
    }

    /// The case with this number; after the last case the count begins again with the first.
    pub(crate) fn matter(&self, number: usize) -> Matter {
        let matters = self.matters.lock().unwrap_or_else(PoisonError::into_inner);
        matters[number % matters.len()]
    }
}

pub(crate) async fn found(app: &App, ledger: &Ledger, arguments: &Arguments) -> Result<Vec<Firm>> {
    let mut firms = Vec::new();
    for number in 0..FIRMS {
        let platform = arguments.platform_of(number);
        let firm = found_one(app, platform, FIRST_ACCOUNT + number).await?;
        for client in 0..FIRST_MATTERS {
            firm.open_matter(app, ledger, client).await?;
        }
        firms.push(firm);
    }
    Ok(firms)
}

/// A firm apart, whose one case is bad for workers.
pub(crate) async fn found_poisoned(
    app: &App,
    ledger: &Ledger,
    arguments: &Arguments,
) -> Result<Matter> {
    let platform = arguments.platform_of(FIRMS);
    let firm = found_one(app, platform, FIRST_ACCOUNT + FIRMS).await?;
    firm.open_matter(app, ledger, 0).await
}

async fn found_one(app: &App, platform: Platform, account: u64) -> Result<Firm> {
    let id = app.firm().await?;
    let login = match platform {
        Platform::Clio => json!({ "account_id": account, "account_name": "Firm" }),
        Platform::Test => json!(account.to_string()),
    };
    app.change_at(platform, &json!({ "login": login })).await?;
    app.connect_to(platform, id).await?;
    sqlx::query(SETTINGS).bind(id).execute(&app.admin).await?;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let email = format!("person{}.{account}@example.com", number % ADDRESSES);
        let person = Person::new("Ann", &format!("Lee {number}"), Some(&email));
        clients.push(Client {
            id: app.client(id, &person).await?,
            email,
        });
    }
    Ok(Firm {
        id,
        platform,
        account,
        clients,
        matters: Mutex::default(),
    })
}
