//! CaseHug's records of the scenario: a firm, its client, a matter, and the uploads.
//!
//! Their ids are fixed, so that each run finds the last one's; nothing that is there is changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::App;
use harness::app::{Matter, Upload};
use sqlx::Row;
use uuid::Uuid;

use crate::documents::{self, ENCLOSED, Stored};

const FIRM: Uuid = Uuid::from_u128(0xca5e_0000_0000_4000_8000_0000_0000_0001);
const CLIENT: Uuid = Uuid::from_u128(0xca5e_0000_0000_4000_8000_0000_0000_0002);
const MATTER: Uuid = Uuid::from_u128(0xca5e_0000_0000_4000_8000_0000_0000_0003);

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) matter: Matter,
    pub(crate) documents: Vec<Document>,
}

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) upload: Upload,
    /// What the scenario calls it: a real name would be the client's.
    pub(crate) label: String,
    pub(crate) sha256: String,
}

impl Sample {
    /// Writes what is not there yet. All uploads of the matter belong to the scenario, those of
    /// earlier runs too: one that was cut short is made good.
    pub(crate) async fn prepare(app: &App, own: &[PathBuf]) -> Result<Self> {
        let matter = Matter {
            id: MATTER,
            firm: FIRM,
            client: CLIENT,
        };
        insert_matter(app, matter)
            .await
            .context("write the sample matter")?;
        let store = app.folder.join("files").join(matter.firm.to_string());
        std::fs::create_dir_all(&store).context("make the firm's folder")?;
        for file in &ENCLOSED {
            if !(is_known(app, file.id).await? && store.join(file.id.to_string()).exists()) {
                let stored = documents::store_enclosed(file, &store)?;
                insert_upload(app, matter, &stored, file.name, Some(file.content_type)).await?;
            }
        }
        for file in own {
            let stored = store_own(file, &store).await?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let content_type = documents::content_type(&name);
            insert_upload(app, matter, &stored, &name, content_type).await?;
        }
        Ok(Self {
            matter,
            documents: list_documents(app, matter).await?,
        })
    }
}

async fn insert_matter(app: &App, matter: Matter) -> Result<()> {
    sqlx::query(
        "insert into firms (id, name) values ($1, 'Lee & Partners') on conflict do nothing",
    )
    .bind(matter.firm)
    .execute(&app.admin)
    .await?;
    sqlx::query(
        "insert into clients (id, firm_id, first_name, last_name, email, phone)
         values ($1, $2, 'Ann', 'Lee', 'ann.lee@example.com', '+1 555 0100') on conflict do nothing",
    )
    .bind(matter.client)
    .bind(matter.firm)
    .execute(&app.admin)
    .await?;
    sqlx::query(
        "insert into matters (id, firm_id, client_id, title, case_number, case_type)
         values ($1, $2, $3, 'Lee v. Lee', 'CH-2026-0042', 'divorce_standard') on conflict do nothing",
    )
    .bind(matter.id)
    .bind(matter.firm)
    .bind(matter.client)
    .execute(&app.admin)
    .await?;
    Ok(())
}

async fn is_known(app: &App, upload: Uuid) -> Result<bool> {
    let known = sqlx::query_scalar("select exists(select from uploads where id = $1)");
    Ok(known.bind(upload).fetch_one(&app.admin).await?)
}

async fn insert_upload(
    app: &App,
    matter: Matter,
    stored: &Stored,
    name: &str,
    content_type: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "insert into uploads (id, firm_id, matter_id, file_name, content_type, size_bytes, sha256, storage_path)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do update set storage_path = excluded.storage_path",
    )
    .bind(stored.id)
    .bind(matter.firm)
    .bind(matter.id)
    .bind(name)
    .bind(content_type)
    .bind(stored.size)
    .bind(&stored.sha256)
    .bind(format!("{}/{}", matter.firm, stored.id))
    .execute(&app.admin)
    .await
    .context("write an upload")?;
    Ok(())
}

/// Copying a large file takes a while, and Ctrl-C must work meanwhile.
async fn store_own(file: &Path, store: &Path) -> Result<Stored> {
    let (file, store) = (file.to_owned(), store.to_owned());
    tokio::task::spawn_blocking(move || documents::store_own(&file, &store)).await?
}

/// The enclosed ones first, as they were written; own ones after them.
async fn list_documents(app: &App, matter: Matter) -> Result<Vec<Document>> {
    let enclosed: Vec<Uuid> = ENCLOSED.iter().map(|file| file.id).collect();
    let rows = sqlx::query(
        "select id, sha256, array_position($2, id) as number from uploads
         where matter_id = $1 order by number, id",
    )
    .bind(matter.id)
    .bind(enclosed)
    .fetch_all(&app.admin)
    .await
    .context("list the uploads")?;
    let documents = rows.iter().zip(1..).map(|(row, place)| {
        let number: Option<i32> = row.get("number");
        let enclosed = number.and_then(|number| ENCLOSED.get(usize::try_from(number - 1).ok()?));
        Document {
            upload: Upload {
                id: row.get("id"),
                matter,
            },
            label: enclosed.map_or_else(
                || format!("own file {}", place - ENCLOSED.len()),
                |file| file.label.to_owned(),
            ),
            sha256: row.get("sha256"),
        }
    });
    Ok(documents.collect())
}
