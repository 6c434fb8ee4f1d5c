//! A list of steps being written down.

use oci_spec::runtime::Spec;

use super::action::{Action, Actor, Signal};
use super::hooks::{self, Moment};
use super::mounts::Explained;
use super::{OnFailure, Step};
use crate::error::Result;

/// A list of steps being written.
#[derive(Default)]
pub(super) struct Steps(pub Vec<Step>);

impl Steps {
    pub(super) fn add(&mut self, actor: Actor, action: Action, why: &'static str) {
        self.0.push(Step {
            actor,
            action,
            why,
            on_failure: OnFailure::Stop,
        });
    }

    pub(super) fn launcher(&mut self, action: Action, why: &'static str) {
        self.add(Actor::Launcher, action, why);
    }

    pub(super) fn init(&mut self, action: Action, why: &'static str) {
        self.add(Actor::Init, action, why);
    }

    pub(super) fn all(&mut self, actor: Actor, list: Explained) {
        for (action, why) in list {
            self.add(actor, action, why);
        }
    }

    /// The step just added may fail; that is told, and no more.
    pub(super) fn or_warn(&mut self) {
        if let Some(step) = self.0.last_mut() {
            step.on_failure = OnFailure::Warn;
        }
    }

    /// `from` tells `to`, who has been waiting for it.
    pub(super) fn handover(&mut self, from: Actor, to: Actor, signal: Signal, why: &'static str) {
        self.add(from, Action::Tell { to, signal }, why);
        self.add(to, Action::Wait { from, signal }, why);
    }

    pub(super) fn hooks(
        &mut self,
        actor: Actor,
        spec: &Spec,
        moment: Moment,
        why: &'static str,
    ) -> Result<()> {
        for hook in hooks::at(spec, moment)? {
            self.add(actor, Action::RunHook { hook }, why);
        }
        Ok(())
    }
}
