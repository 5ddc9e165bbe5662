//! CaseHug's own records, as the application would write them.

use std::path::PathBuf;

use anyhow::Result;
use uuid::Uuid;

use super::App;
use crate::clock;

#[derive(Debug, Clone, Default)]
pub struct Person {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl Person {
    pub fn new(first_name: &str, last_name: &str, email: Option<&str>) -> Self {
        Self {
            first_name: Some(first_name.into()),
            last_name: Some(last_name.into()),
            email: email.map(str::to_owned),
            phone: Some("+1 555 0100".into()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Matter {
    pub id: Uuid,
    pub firm: Uuid,
    pub client: Uuid,
}

#[derive(Debug, Clone, Copy)]
pub struct Upload {
    pub id: Uuid,
    pub matter: Matter,
}

impl Upload {
    /// The store's name of its file: each firm's files lie under its id.
    pub fn storage_path(&self) -> String {
        format!("{}/{}", self.matter.firm, self.id)
    }
}

impl App {
    pub async fn firm(&self) -> Result<Uuid> {
        let id = clock::new_id();
        sqlx::query("insert into firms (id, name) values ($1, 'Lee & Partners')")
            .bind(id)
            .execute(&self.admin)
            .await?;
        Ok(id)
    }

    pub async fn client(&self, firm: Uuid, person: &Person) -> Result<Uuid> {
        let id = clock::new_id();
        sqlx::query(
            "insert into clients (id, firm_id, first_name, last_name, email, phone) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(firm)
        .bind(&person.first_name)
        .bind(&person.last_name)
        .bind(&person.email)
        .bind(&person.phone)
        .execute(&self.admin)
        .await?;
        Ok(id)
    }

    pub async fn matter(
        &self,
        firm: Uuid,
        client: Uuid,
        title: &str,
        case_type: Option<&str>,
    ) -> Result<Matter> {
        let id = clock::new_id();
        sqlx::query("insert into matters (id, firm_id, client_id, title, case_type) values ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(firm)
            .bind(client)
            .bind(title)
            .bind(case_type)
            .execute(&self.admin)
            .await?;
        Ok(Matter { id, firm, client })
    }

    /// An approved document with these bytes.
    pub async fn upload(
        &self,
        matter: Matter,
        file_name: &str,
        content_type: Option<&str>,
        bytes: &[u8],
    ) -> Result<Upload> {
        let id = clock::new_id();
        let upload = Upload { id, matter };
        std::fs::write(self.file_of(&upload)?, bytes)?;
        self.upload_at(id, matter, file_name, content_type, &upload.storage_path())
            .await
    }

    /// Where the file of a document lies, in the folder of its firm.
    pub fn file_of(&self, upload: &Upload) -> Result<PathBuf> {
        let path = self.folder.join("files").join(upload.storage_path());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(path)
    }

    /// An approved document whose file lies in the store already.
    pub async fn upload_at(
        &self,
        id: Uuid,
        matter: Matter,
        file_name: &str,
        content_type: Option<&str>,
        storage_path: &str,
    ) -> Result<Upload> {
        sqlx::query(
            "insert into uploads (id, firm_id, matter_id, file_name, content_type, storage_path, status, approved_at) \
             values ($1, $2, $3, $4, $5, $6, 'approved', now())",
        )
        .bind(id)
        .bind(matter.firm)
        .bind(matter.id)
        .bind(file_name)
        .bind(content_type)
        .bind(storage_path)
        .execute(&self.admin)
        .await?;
        Ok(Upload { id, matter })
    }

    /// A firm that is connected to Clio, with one matter of one client.
    pub async fn connected_matter(&self) -> Result<Matter> {
        let firm = self.firm().await?;
        let client = self
            .client(
                firm,
                &Person::new("Ann", "Lee", Some("ann.lee@example.com")),
            )
            .await?;
        let matter = self
            .matter(firm, client, "Lee v. Lee", Some("divorce_standard"))
            .await?;
        self.connect(firm).await?;
        Ok(matter)
    }
}
