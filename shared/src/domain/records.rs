//! CaseHug's records as the jobs read them.

use crate::domain::{FirmId, MatterId, UploadId, normal::normalised_email};

/// The person whose case it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    pub id: uuid::Uuid,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// Client data never prints itself.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The e-mail as it is compared: trimmed, lower case; nothing when there is none.
    #[must_use]
    pub fn normalised_email(&self) -> Option<String> {
        let email = normalised_email(self.email.as_deref()?);
        (!email.is_empty()).then_some(email)
    }
}

/// A case with its client.
#[derive(Clone)]
pub struct Matter {
    pub id: MatterId,
    pub firm_id: FirmId,
    pub title: String,
    pub case_number: Option<String>,
    pub case_type: Option<String>,
    pub client: Client,
}

impl std::fmt::Debug for Matter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matter")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Matter {
    /// What stands in the provider's free reference: the case number, else our id.
    #[must_use]
    pub fn reference(&self) -> String {
        let number = self.filled_case_number();
        number.map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// Whether the reference is our id, which no other matter has.
    #[must_use]
    pub fn has_unique_reference(&self) -> bool {
        self.filled_case_number().is_none()
    }

    fn filled_case_number(&self) -> Option<&str> {
        let number = self.case_number.as_deref().map(str::trim);
        number.filter(|number| !number.is_empty())
    }
}

/// A document of a matter.
#[derive(Clone)]
pub struct Upload {
    pub id: UploadId,
    pub matter_id: MatterId,
    pub file_name: String,
    pub content_type: Option<String>,
    pub sha256: Option<String>,
    pub storage_path: String,
    pub approved: bool,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
