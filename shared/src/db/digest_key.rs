//! Which key the digests on links are made with: its check value, and never the key, is in the database.

use sqlx::PgConnection;

use crate::domain::digest::Digests;

/// Notes the check value of this key where none is noted yet: the first worker's key is the one from then on.
pub async fn note_first(db: &mut PgConnection, digests: &Digests) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update schema_info set digest_check = $1 where digest_check is null",
        digests.check()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether the digests on links are made with this key.
pub async fn is_in_use(db: &mut PgConnection, digests: &Digests) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select digest_check = $1 as "same!" from schema_info"#,
        digests.check()
    )
    .fetch_one(db)
    .await
}
