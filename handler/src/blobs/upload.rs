//! Writing a blob piece by piece: nothing of it is seen before its end.

use azure_core::http::{RequestContent, XmlFormat};
use azure_storage_blob::models::{
    BlobContainerClientCreateOptions, BlockBlobClientCommitBlockListOptions, BlockLookupList,
};
use azure_storage_blob::{BlobContainerClient, BlockBlobClient};
use bytes::Bytes;
use uuid::Uuid;

use super::{BlobError, Blobs, trials::tried};

/// A blob that is being written.
pub struct Upload {
    container: BlobContainerClient,
    client: BlockBlobClient,
    /// Where the names of our pieces begin: somebody else may be at the same blob.
    own: String,
    /// Names of the pieces so far, all of one length.
    blocks: Vec<Vec<u8>>,
}

impl Blobs {
    /// Begins to write a blob of a container.
    pub fn upload(&self, container: &str, name: &str) -> Result<Upload, BlobError> {
        let container = self.container(container)?;
        let client = container.blob_client(name).block_blob_client();
        let own = Uuid::new_v4().simple().to_string();
        Ok(Upload { container, client, own, blocks: Vec::new() })
    }
}

impl Upload {
    /// Sends the next piece. The container is made with the first one if it is missing.
    pub async fn put(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let name = format!("{}{:08}", self.own, self.blocks.len()).into_bytes();
        match self.stage(&name, &piece).await {
            Err(BlobError::Gone) if self.blocks.is_empty() => {
                self.make_container().await?;
                self.stage(&name, &piece).await?;
            }
            staged => staged?,
        }
        self.blocks.push(name);
        Ok(())
    }

    async fn stage(&self, name: &[u8], piece: &Bytes) -> Result<(), BlobError> {
        tried(|| async {
            let (length, body) = (piece.len() as u64, RequestContent::from(piece.to_vec()));
            self.client.stage_block(name, length, body, None).await.map(drop)
        })
        .await
    }

    async fn make_container(&self) -> Result<(), BlobError> {
        let made = tried(|| {
            let options = BlobContainerClientCreateOptions::default();
            self.container.create(Some(options))
        });
        match made.await {
            // Somebody else has made it meanwhile.
            Err(BlobError::Odd(told)) if told.starts_with("409") => Ok(()),
            made => made.map(drop),
        }
    }

    /// Puts the pieces in place, whole at once.
    pub async fn end(self) -> Result<(), BlobError> {
        tried(|| async {
            let latest = Some(self.blocks.clone());
            let list = BlockLookupList { latest, ..BlockLookupList::default() };
            let list: RequestContent<BlockLookupList, XmlFormat> = list.try_into()?;
            let options = BlockBlobClientCommitBlockListOptions {
                blob_content_type: Some("application/x-ndjson".to_owned()),
                ..BlockBlobClientCommitBlockListOptions::default()
            };
            self.client.commit_block_list(list, Some(options)).await.map(drop)
        })
        .await
    }
}
