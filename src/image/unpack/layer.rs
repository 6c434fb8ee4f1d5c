//! One layer, from its blob to its directory.

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use super::stream::Plain;
use super::{Work, ahead};
use crate::archive::{self, Summary, Unpack};
use crate::error::{Context, Error, Result};
use crate::image::stage::Fresh;
use crate::sys::fd;

impl Work<'_> {
    /// Unpacks one layer, if it is not here.
    pub(super) fn unpack(&self, at: usize) -> Result<()> {
        let layer = &self.layers[at];
        // The same once more: only one that depends on what is below it has
        // to be unpacked again.
        if layer.first != at {
            let name = self.wait(|state| state.names[layer.first].clone())?;
            if !name.starts_with("chain-") {
                if self.layers[layer.first].blob.digest == layer.blob.digest {
                    self.wait_for_blob(at)?;
                } else {
                    self.check_only(at)?;
                }
                self.named(at, name);
                return Ok(());
            }
        }
        let name = match self.stage.find_layer(&layer.diff, &layer.chain)? {
            Some(name) => {
                self.check_only(at)?;
                name
            }
            None => self.make(at).map_err(|e| self.about(at, e))?,
        };
        self.named(at, name);
        Ok(())
    }

    fn about(&self, at: usize, e: Error) -> Error {
        e.context(format!("the layer {}", self.layers[at].blob.digest))
    }

    fn named(&self, at: usize, name: String) {
        self.change(|state| state.names[at] = Some(name));
    }

    /// The layer is here, but is this blob that layer? Only where it is that
    /// of an image already, this need not be found out once more.
    fn check_only(&self, at: usize) -> Result<()> {
        let layer = &self.layers[at];
        if self.stage.in_store(&layer.blob.digest) && self.is_known(layer) {
            return self.wait_for_blob(at);
        }
        let what = || format!("the layer {}", layer.blob.digest);
        let packed = AtomicU64::new(0);
        let endless = AtomicU64::new(u64::MAX);
        let plain = self.plain(at, &packed, &endless).context(what)?;
        let mut plain = plain.buffered();
        io::copy(&mut plain, &mut io::sink()).context(what)?;
        plain.into_inner().finish(&layer.diff).context(what)?;
        self.wait_for_blob(at)
    }

    /// The archive of a layer, whose sum is taken once.
    fn plain<'b>(
        &'b self,
        at: usize,
        packed: &'b AtomicU64,
        room: &'b AtomicU64,
    ) -> Result<Plain<'b>> {
        let layer = &self.layers[at];
        let follow = self.follow(at)?;
        let is_taken = follow.summed && layer.blob.digest == layer.diff;
        let plain = Plain::open(follow, &layer.diff, packed, room)?;
        Ok(plain.leave_sum(is_taken))
    }

    fn make(&self, at: usize) -> Result<String> {
        let layer = &self.layers[at];
        let path = self.stage.next_layer();
        let top = fresh_dir(&path)?;
        let options = Unpack {
            layer: true,
            ..Unpack::default()
        };
        let below = || self.below(at);
        let unpack = |plain: &mut dyn Read| archive::unpack_over(&top, plain, &options, &below);
        let packed = AtomicU64::new(0);
        let open = || self.plain(at, &packed, &self.room);
        let failed = |e: &Error| self.fail(&self.about(at, e.clone()));
        let summary = ahead::read(open, &layer.diff, failed, unpack)?;
        self.wait_for_blob(at)?;
        Ok(self.keep(at, path, &summary))
    }

    fn keep(&self, at: usize, path: PathBuf, summary: &Summary) -> String {
        let layer = &self.layers[at];
        let name = if summary.from_below > 0 {
            format!("chain-{}", layer.chain.hex())
        } else {
            layer.diff.hex().to_owned()
        };
        let size = summary.bytes;
        self.stage.add_layer(name.clone(), Fresh { path, size });
        name
    }

    /// The layers below one, the uppermost first, once they are all there.
    fn below(&self, at: usize) -> Result<Vec<OwnedFd>> {
        let names: Vec<String> = self.wait(|state| {
            let names = state.names[..at].iter().rev();
            names.cloned().collect::<Option<Vec<String>>>()
        })?;
        let open = |name: &String| {
            let path = self.stage.layer_path(name);
            fd::open(&path, libc::O_PATH | libc::O_DIRECTORY)
        };
        Ok(names
            .iter()
            .map(open)
            .collect::<crate::sys::SysResult<_>>()?)
    }
}

/// An empty directory, as the top of a layer is if the layer says nothing
/// about it.
fn fresh_dir(path: &Path) -> Result<OwnedFd> {
    let made = fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)));
    made.map_err(Error::from)
        .context(|| "cannot write to the store of images")?;
    Ok(fd::open(path, libc::O_RDONLY | libc::O_DIRECTORY)?)
}
