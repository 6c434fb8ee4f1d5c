//! A container that is a step of a build: it lives no longer than the build,
//! and what it has changed is what the build wants of it.

use super::Keeper;
use super::root;
use crate::archive;
use crate::error::{Error, Result};

impl Keeper {
    /// A step is of no use to anybody once its build is gone.
    pub(super) fn follow_build(&mut self) {
        if self.config.build.is_some() && !self.clients.has_starter() {
            self.state.stopped_by_hand = true;
            self.signal(libc::SIGKILL);
        }
    }

    /// Puts what has changed where the build wants it. The program has ended
    /// and the lock is still held, so that nothing more changes there.
    pub(super) fn hand_over(&mut self) {
        let wanted = self.state.exit_code == 0 && self.state.started.is_some();
        if !wanted || self.config.build.is_none() || !self.clients.has_starter() {
            return;
        }
        // The build finds nothing there, and says so.
        if let Err(e) = self.try_hand_over() {
            self.state.error = e.to_string();
        }
    }

    fn try_hand_over(&self) -> Result<()> {
        let Some(build) = &self.config.build else {
            return Ok(());
        };
        if let Some((upper, lowers)) = root::layers(&self.store, &self.entry)? {
            let spec = self.entry.spec()?;
            let mounts = spec.mounts().iter().flatten();
            let places: Vec<_> = mounts.map(|m| m.destination().clone()).collect();
            archive::take_places_away(&upper, &lowers, &places)?;
        }
        if !is_layer_to_be(&build.keep) {
            return Err(Error::internal(format!(
                "{:?} is not the name of a layer that is being made",
                build.keep
            )));
        }
        let to = self.store.layer(&build.keep);
        Ok(std::fs::rename(self.entry.upper_dir(), to)?)
    }
}

/// One name, and none of a layer that is whole.
fn is_layer_to_be(name: &str) -> bool {
    name.starts_with(".tmp-") && !name.contains('/')
}
