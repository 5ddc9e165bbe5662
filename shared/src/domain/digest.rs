//! Digests of text.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// Digests with the deployment's key, so that no client data stands on a link. Equal texts have equal digests; without the key, no
/// person can find a text by trying texts. Cheap to clone.
#[derive(Clone)]
pub struct Digests {
    key: Arc<SecretSlice<u8>>,
}

impl std::fmt::Debug for Digests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digests")
    }
}

impl Digests {
    /// Digests with this key.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self {
            key: Arc::new(key.into()),
        }
    }

    /// The digest of a normalised text, in hex.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn of(&self, normalised: &str) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.key.expose_secret())
            .expect("HMAC takes a key of any length");
        mac.update(normalised.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// By which two programs see that they have the same key. It says nothing of the key.
    #[must_use]
    pub fn check(&self) -> String {
        self.of("the key of the digests on links")
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
