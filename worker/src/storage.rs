//! Files: read through `object_store` under one prefix, streamed, never held whole in memory.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// No such file, or a link that leads out of the store.
    #[error("the file is not in the store")]
    Missing,
    /// A path that no file of a store can have: an empty one, one that leaves the prefix, one with empty parts.
    #[error("no file of the store can have this path")]
    Unnameable,
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
    /// Where the files lie, when they lie in a folder.
    folder: Option<PathBuf>,
}

impl Storage {
    /// Opens `file:///folder`, `s3://bucket/prefix` and what else `object_store` knows.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the address.
    pub(crate) fn open(url: &url::Url) -> Result<Self, String> {
        if url.scheme() == "file" {
            return Self::open_folder(url);
        }
        let (store, prefix) = object_store::parse_url_opts(url, std::env::vars())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            store: Arc::new(PrefixStore::new(store, prefix)),
            folder: None,
        })
    }

    fn open_folder(url: &url::Url) -> Result<Self, String> {
        let folder = url.to_file_path().map_err(|()| "must be file:///folder")?;
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| e.to_string())?;
        Ok(Self {
            store: Arc::new(store),
            folder: Some(folder),
        })
    }

    /// The store's name of a file. A link in a folder may lead anywhere: what it names must lie in the store too.
    async fn locate(&self, path: &str) -> Result<Path, StorageError> {
        let name = Path::parse(path).map_err(|_| StorageError::Unnameable)?;
        if path.is_empty() || name.as_ref() != path {
            return Err(StorageError::Unnameable);
        }
        if let Some(folder) = &self.folder {
            let real = tokio::fs::canonicalize(folder.join(path)).await;
            let real = real.map_err(|error| match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => StorageError::Missing,
                // A folder over a network may be away for a while.
                _ => StorageError::Unavailable,
            })?;
            if !real.starts_with(folder) {
                return Err(StorageError::Missing);
            }
        }
        Ok(name)
    }

    /// The file's size in bytes.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub(crate) async fn size(&self, path: &str) -> Result<u64, StorageError> {
        Ok(self.store.head(&self.locate(path).await?).await?.size)
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
        let found = self
            .store
            .get_opts(&self.locate(path).await?, options)
            .await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_lies_in_the_store_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (store, outside) = (folder.path().join("store"), folder.path().join("outside"));
        std::fs::create_dir_all(store.join("firm")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(store.join("firm/a.pdf"), b"a").unwrap();
        std::fs::write(outside.join("b.pdf"), b"b").unwrap();
        for (target, link) in [
            (outside.join("b.pdf"), "firm/link.pdf"),
            (outside.clone(), "firm/folder"),
            (PathBuf::from("/etc/hostname"), "firm/host"),
        ] {
            std::os::unix::fs::symlink(target, store.join(link)).unwrap();
        }
        std::os::unix::fs::symlink("a.pdf", store.join("firm/inside.pdf")).unwrap();
        let url = url::Url::from_file_path(&store).unwrap();
        let storage = Storage::open(&url).unwrap();

        for path in ["firm/a.pdf", "firm/inside.pdf"] {
            assert_eq!(storage.size(path).await.unwrap(), 1, "{path}");
        }
        for path in [
            "firm/link.pdf",
            "firm/folder/b.pdf",
            "firm/host",
            "firm/none.pdf",
        ] {
            let refused = storage.size(path).await;
            assert!(matches!(refused, Err(StorageError::Missing)), "{path}");
        }
        for path in [
            "",
            "/",
            "../outside/b.pdf",
            "firm/../firm/a.pdf",
            "firm//a.pdf",
            "firm/a.pdf/",
            "/firm/a.pdf",
            "./firm/a.pdf",
        ] {
            let refused = storage.size(path).await;
            assert!(
                matches!(refused, Err(StorageError::Unnameable)),
                "{path}: {refused:?}"
            );
        }
    }
}
