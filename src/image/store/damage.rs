//! Images that cannot be used any more, because one of the documents that say
//! what they are made of is not what it was. What their layers hold is not
//! looked at here: reading all of it would take minutes.

use super::index::Record;
use super::{Images, Index, Name};
use crate::error::Result;
use crate::image::ImageConfig;
use crate::image::manifest::{Content, LARGEST_CONFIG};

impl Images {
    /// Each of them, in words, and what helps: only who has made or fetched an
    /// image can bring it again, so nothing is mended here.
    pub fn damage(&self) -> Result<Vec<String>> {
        // Who is just being removed is not half there.
        let _guard = self.share()?;
        let records = Index::load(&self.dir())?.records();
        let told = records.iter().filter_map(|record| {
            let e = self.check_documents(record).err()?;
            let name = record.name.as_ref().map(Name::to_string);
            let name = name.unwrap_or_else(|| record.target.digest.to_string());
            Some(format!(
                "image {name}: {} (`rcon rmi {name}`, then fetch or build it again)",
                e.what()
            ))
        });
        Ok(told.collect())
    }

    /// From the outermost document to the configuration.
    fn check_documents(&self, record: &Record) -> Result<()> {
        let outermost = self.document(&record.target.digest)?.content()?;
        let manifest = match (&record.manifest, outermost) {
            (Some(digest), _) => self.manifest(digest)?,
            (None, Content::Manifest(manifest)) => manifest,
            // Another tool's, of which nothing was chosen: what is within may
            // be for other machines, and need not be here.
            (None, Content::Index(_)) => return Ok(()),
        };
        let config = self.small_blob(&manifest.config.digest, LARGEST_CONFIG)?;
        ImageConfig::parse(&config).map(drop)
    }
}
