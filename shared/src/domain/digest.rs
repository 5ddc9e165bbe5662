//! Digests of text.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Digests with the deployment's key, so that no client data stands on a link: equal texts meet, and without the key nobody can try texts.
#[derive(Clone)]
pub struct Digests {
    key: uuid::Uuid,
}

impl std::fmt::Debug for Digests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digests")
    }
}

impl Digests {
    /// Digests with this key.
    #[must_use]
    pub fn new(key: uuid::Uuid) -> Self {
        Self { key }
    }

    /// The digest of a normalised text, in hex.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn of(&self, normalised: &str) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.key.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(normalised.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
