//! What a platform offers. Fan-out and jobs ask it before they name work of a kind.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::Platform;

/// What a platform offers. An absent capability is asked for by no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    pub documents: Option<DocumentCapabilities>,
    pub notes: bool,
    pub tags: bool,
    pub stages: bool,
    pub forms: bool,
    pub custom_fields: bool,
    pub webhooks: bool,
}

/// What a platform offers for documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentCapabilities {
    pub versions: bool,
    /// Whether the platform must be told that all bytes are there.
    pub confirmation: bool,
}

/// What each platform of a program offers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    of: Arc<HashMap<Platform, Capabilities>>,
}

impl FromIterator<(Platform, Capabilities)> for Offers {
    fn from_iter<I: IntoIterator<Item = (Platform, Capabilities)>>(offers: I) -> Self {
        Self {
            of: Arc::new(offers.into_iter().collect()),
        }
    }
}

impl Offers {
    /// Whether documents can be sent. A platform that only a newer release knows is said to take them: that release's job decides.
    #[must_use]
    pub fn documents(&self, platform: Platform) -> bool {
        let offered = self.of.get(&platform);
        offered.is_none_or(|capabilities| capabilities.documents.is_some())
    }
}
