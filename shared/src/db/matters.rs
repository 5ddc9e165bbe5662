//! CaseHug's own tables, read with an explicit firm in any case.

use sqlx::PgConnection;

use crate::domain::{
    FirmId, MatterId, UploadId,
    records::{Client, Matter, Upload},
};

/// One matter of a firm with its client.
pub async fn find(
    db: &mut PgConnection,
    firm: FirmId,
    id: MatterId,
) -> Result<Option<Matter>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select m.title, m.case_number, m.case_type, c.id as client_id, c.first_name, c.last_name, c.email, c.phone
           from matters m join clients c on c.id = m.client_id and c.firm_id = m.firm_id
           where m.firm_id = $1 and m.id = $2"#,
        firm.0,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Matter {
        id,
        firm_id: firm,
        title: row.title,
        case_number: row.case_number,
        case_type: row.case_type,
        client: Client {
            id: row.client_id,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            phone: row.phone,
        },
    }))
}

/// True when the matter is the firm's.
pub async fn exists(
    db: &mut PgConnection,
    firm: FirmId,
    id: MatterId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from matters where firm_id = $1 and id = $2) as "exists!""#,
        firm.0,
        id.0
    )
    .fetch_one(db)
    .await
}

/// Whether there is such a firm.
pub async fn firm_exists(db: &mut PgConnection, firm: FirmId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from firms where id = $1) as "exists!""#,
        firm.0
    )
    .fetch_one(db)
    .await
}

/// One document of a firm.
pub async fn find_upload(
    db: &mut PgConnection,
    firm: FirmId,
    id: UploadId,
) -> Result<Option<Upload>, sqlx::Error> {
    let row = sqlx::query!(
        "select matter_id, file_name, content_type, sha256, storage_path, status from uploads where firm_id = $1 and id = $2",
        firm.0,
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Upload {
        id,
        matter_id: MatterId(row.matter_id),
        file_name: row.file_name,
        content_type: row.content_type,
        sha256: row.sha256,
        storage_path: row.storage_path,
        approved: row.status == "approved",
    }))
}

/// Which of a matter's approved documents are asked for.
#[derive(Debug, Clone, Copy)]
pub struct UploadsToSync {
    /// Those that stand in this account, too.
    pub all: bool,
    /// Those behind this one.
    pub after: Option<UploadId>,
    pub limit: usize,
}

/// The matter's approved documents, oldest approval first.
pub async fn list_uploads_to_sync(
    db: &mut PgConnection,
    account: &crate::domain::link::Account,
    matter: MatterId,
    wanted: UploadsToSync,
) -> Result<Vec<UploadId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        // One step in an index for each upload, with `limit`: written as `not exists`, it is joined to all documents of the firm.
        r#"select u.id from uploads u
           left join uploads last on last.firm_id = u.firm_id and last.id = $7
           where u.firm_id = $1 and u.matter_id = $2 and u.status = 'approved'
             and ($7::uuid is null or (coalesce(u.approved_at, 'infinity'), u.id) > (case when last.id is null then '-infinity' else coalesce(last.approved_at, 'infinity') end, $7))
             and ($6 or (
             select k.id from links k where k.firm_id = u.firm_id and k.platform = $3 and k.region = $4 and k.account_id = $5
               and k.kind = 'document' and k.effect_key = u.id::text and k.state = 'linked' and k.superseded_at is null limit 1) is null)
           order by coalesce(u.approved_at, 'infinity'), u.id limit $8"#,
        account.firm_id.0,
        matter.0,
        account.platform.as_str(),
        account.region.as_str(),
        account.id,
        wanted.all,
        wanted.after.map(|after| after.0),
        i64::try_from(wanted.limit).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(UploadId).collect())
}

/// Records that events may name, as far as they exist: firms, (matter, firm), (upload, matter, firm), and which of these are approved.
#[derive(Debug, Default)]
pub struct Known {
    pub firms: std::collections::HashSet<FirmId>,
    pub matters: std::collections::HashSet<(FirmId, MatterId)>,
    pub uploads: std::collections::HashSet<(FirmId, MatterId, UploadId)>,
    pub approved: std::collections::HashSet<UploadId>,
}

/// Which of these records exist, and whose they are.
pub async fn list_known(
    db: &mut PgConnection,
    firms: &[uuid::Uuid],
    matters: &[uuid::Uuid],
    uploads: &[uuid::Uuid],
) -> Result<Known, sqlx::Error> {
    let mut known = Known::default();
    let rows = sqlx::query_scalar!("select id from firms where id = any($1)", firms)
        .fetch_all(&mut *db)
        .await?;
    known.firms.extend(rows.into_iter().map(FirmId));
    let rows = sqlx::query!(
        "select id, firm_id from matters where id = any($1) and firm_id = any($2)",
        matters,
        firms
    )
    .fetch_all(&mut *db)
    .await?;
    known.matters.extend(
        rows.into_iter()
            .map(|r| (FirmId(r.firm_id), MatterId(r.id))),
    );
    let rows = sqlx::query!(
        r#"select id, firm_id, matter_id, status = 'approved' as "approved!" from uploads where id = any($1) and firm_id = any($2)"#,
        uploads,
        firms
    )
    .fetch_all(&mut *db)
    .await?;
    for row in rows {
        let upload = UploadId(row.id);
        let matter = MatterId(row.matter_id);
        known.uploads.insert((FirmId(row.firm_id), matter, upload));
        if row.approved {
            known.approved.insert(upload);
        }
    }
    Ok(known)
}
