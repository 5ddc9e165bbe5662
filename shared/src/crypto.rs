//! Sealing of tokens and secrets: AES-256-GCM under a ring of keys with ids.
//!
//! Sealed text is `v1.<key id>.<base64url(nonce ‖ ciphertext)>`. The associated data binds it to its firm, connection and
//! column, so that a sealed token copied into another row does not open.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::domain::{ConnectionId, FirmId};

pub use crate::domain::digest::hex;

const NONCE_BYTES: usize = 12;

/// Why something did not open.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// The text is not in the sealed form.
    #[error("sealed text is malformed")]
    Malformed,
    /// The ring has no key of that id.
    #[error("sealed with key id {0}, which TOKEN_KEYS does not hold")]
    UnknownKey(String),
    /// Wrong key, wrong place or tampered with.
    #[error("sealed text does not open here")]
    Refused,
}

/// What sealed text belongs to; sealed text opens only where it was sealed for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub firm: FirmId,
    pub connection: ConnectionId,
    pub column: &'a str,
}

impl Place<'_> {
    fn associated_data(&self) -> String {
        format!("{}/{}/{}", self.firm, self.connection, self.column)
    }
}

/// The keys that open, and the one that seals: the first.
#[derive(Clone)]
pub struct KeyRing {
    first: String,
    keys: Arc<BTreeMap<String, Aes256Gcm>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Reads `id:base64 of 32 bytes,…`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without any key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        let mut first = None;
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (id, key) = entry.split_once(':').ok_or("each key must be id:base64")?;
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err("a key id must be letters, digits and dashes".into());
            }
            let bytes = general_purpose::STANDARD
                .decode(key)
                .map_err(|_| format!("key {id} is not base64"))?;
            let cipher = Aes256Gcm::new_from_slice(&bytes)
                .map_err(|_| format!("key {id} must have 32 bytes"))?;
            first.get_or_insert_with(|| id.to_owned());
            keys.insert(id.to_owned(), cipher);
        }
        let first = first.ok_or("at least one key is needed")?;
        Ok(Self {
            first,
            keys: Arc::new(keys),
        })
    }

    /// Seals with the first key.
    #[must_use]
    pub fn seal(&self, secret: &SecretString, place: Place<'_>) -> String {
        let nonce = clock::random_bytes::<NONCE_BYTES>();
        let associated = place.associated_data();
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: associated.as_bytes(),
        };
        let sealed = self.keys[&self.first]
            .encrypt(&nonce.into(), payload)
            .expect("AES-GCM seals any text below 64 GiB");
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        format!(
            "v1.{}.{}",
            self.first,
            general_purpose::URL_SAFE_NO_PAD.encode(bytes)
        )
    }

    /// Opens what was sealed for this very place.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, sealed: &str, place: Place<'_>) -> Result<SecretString, OpenError> {
        let (key_id, body) = split(sealed).ok_or(OpenError::Malformed)?;
        let cipher = self
            .keys
            .get(key_id)
            .ok_or_else(|| OpenError::UnknownKey(key_id.to_owned()))?;
        let bytes = general_purpose::URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| OpenError::Malformed)?;
        let (nonce, text) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(OpenError::Malformed)?;
        let associated = place.associated_data();
        let plain = cipher
            .decrypt(
                nonce.into(),
                Payload {
                    msg: text,
                    aad: associated.as_bytes(),
                },
            )
            .map_err(|_| OpenError::Refused)?;
        String::from_utf8(plain)
            .map(SecretString::from)
            .map_err(|_| OpenError::Refused)
    }

    /// True when the ring can open text sealed under this key id.
    #[must_use]
    pub fn holds(&self, key_id: &str) -> bool {
        self.keys.contains_key(key_id)
    }
}

/// The key id that a sealed text names; nothing when it is not sealed text.
#[must_use]
pub fn sealing_key(sealed: &str) -> Option<&str> {
    split(sealed).map(|(id, _)| id)
}

fn split(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix("v1.")?.split_once('.')
}

/// A hash that can be stored in place of a one-time token: the token cannot be found from it.
#[must_use]
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// A random token of 256 bits, safe in URLs and cookies.
#[must_use]
pub fn new_token() -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(clock::random_bytes::<32>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ring(ids: &[&str]) -> KeyRing {
        let entries: Vec<String> = ids
            .iter()
            .map(|id| {
                let byte = id.bytes().next().unwrap_or(0);
                format!("{id}:{}", general_purpose::STANDARD.encode([byte; 32]))
            })
            .collect();
        KeyRing::parse(&entries.join(",")).unwrap()
    }

    fn place(column: &str) -> Place<'_> {
        Place {
            firm: FirmId(Uuid::nil()),
            connection: ConnectionId(Uuid::nil()),
            column,
        }
    }

    #[test]
    fn sealed_text_opens_where_it_was_sealed_for_and_nowhere_else() {
        let ring = ring(&["a"]);
        let sealed = ring.seal(&"token".to_owned().into(), place("access_token"));

        let opened = ring.open(&sealed, place("access_token")).unwrap();

        assert_eq!(opened.expose_secret(), "token");
        let elsewhere = ring.open(&sealed, place("refresh_token"));
        assert_eq!(elsewhere.unwrap_err(), OpenError::Refused);
    }

    #[test]
    fn after_rotation_the_old_key_still_opens_and_the_new_one_seals() {
        let sealed = ring(&["a"]).seal(&"token".to_owned().into(), place("x"));
        let rotated = ring(&["b", "a"]);

        assert!(rotated.open(&sealed, place("x")).is_ok());
        assert_eq!(
            sealing_key(&rotated.seal(&"t".to_owned().into(), place("x"))),
            Some("b")
        );
        assert_eq!(
            ring(&["b"]).open(&sealed, place("x")).unwrap_err(),
            OpenError::UnknownKey("a".into())
        );
    }

    #[test]
    fn a_bad_ring_is_refused_in_words_that_hold_no_key() {
        for text in ["", "a", "a:!!", "a:AAAA", "ä:AAAA"] {
            assert!(KeyRing::parse(text).is_err(), "{text}");
        }
    }
}
