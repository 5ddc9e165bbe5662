//! Files: read through `object_store` under one prefix, streamed, never held whole in memory.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};
use sha2::{Digest, Sha256};

use shared::crypto::hex;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// No such file, or a path that leaves the prefix.
    #[error("the file is not in the store")]
    Missing,
    /// The store did not answer.
    #[error("the store did not answer")]
    Unavailable,
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) {
            Self::Missing
        } else {
            Self::Unavailable
        }
    }
}

/// The store of uploaded files.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    store: Arc<dyn ObjectStore>,
}

impl Storage {
    /// Opens `file:///folder`, `s3://bucket/prefix` and what else `object_store` knows.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the address.
    pub(crate) fn open(url: &url::Url) -> Result<Self, String> {
        let store: Arc<dyn ObjectStore> = if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| "must be file:///folder")?;
            Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(|e| e.to_string())?)
        } else {
            let (store, prefix) = object_store::parse_url_opts(url, std::env::vars())
                .map_err(|error| error.to_string())?;
            Arc::new(PrefixStore::new(store, prefix))
        };
        Ok(Self { store })
    }

    /// The file's size in bytes.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub(crate) async fn size(&self, path: &str) -> Result<u64, StorageError> {
        Ok(self.store.head(&parse(path)?).await?.size)
    }

    /// A range of the file's bytes as a stream.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub(crate) async fn read(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, std::io::Result<Bytes>>, StorageError> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..Default::default()
        };
        let found = self.store.get_opts(&parse(path)?, options).await?;
        Ok(found.into_stream().map_err(std::io::Error::other).boxed())
    }

    /// The SHA-256 of the whole file in hex; hashing runs beside the other tasks, chunk by chunk.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub(crate) async fn sha256(&self, path: &str) -> Result<String, StorageError> {
        let size = self.size(path).await?;
        let mut bytes = self.read(path, 0..size).await?;
        let mut hasher = Sha256::new();
        while let Some(chunk) = bytes
            .try_next()
            .await
            .map_err(|_| StorageError::Unavailable)?
        {
            hasher.update(&chunk);
            tokio::task::consume_budget().await;
        }
        Ok(hex(&hasher.finalize()))
    }
}

fn parse(path: &str) -> Result<Path, StorageError> {
    Path::parse(path).map_err(|_| StorageError::Missing)
}
