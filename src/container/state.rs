//! What became of a container.

use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::cgroup::paths::CgroupPaths;

/// Where a container is in its life, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never started.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its program has ended and is about to be started again.
    Restarting,
    /// Its program has ended.
    Exited,
    /// It is being removed, or its removal was cut short.
    Removing,
    /// It can neither be started nor was it removed.
    Dead,
}

impl Status {
    /// Docker's word.
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
            Status::Removing => "removing",
            Status::Dead => "dead",
        }
    }

    /// Whether a keeper belongs to it.
    pub fn is_up(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// The part of a container's record that changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Of this record's form; see [`super::SCHEMA`].
    pub version: u32,
    /// Where it is in its life.
    pub status: Status,
    /// The first process, as the host counts; 0: none.
    pub pid: i32,
    /// When that process started, in clock ticks since boot: a pid alone may
    /// be somebody else by now.
    pub pid_start: u64,
    /// The keeper; 0: none.
    pub keeper: i32,
    /// The boot in which all this was written.
    pub boot: String,
    /// When its program was last started.
    pub started: Option<Timestamp>,
    /// When it last ended.
    pub finished: Option<Timestamp>,
    /// What it said when it ended; 128 + n for a signal.
    pub exit_code: i32,
    /// The kernel killed one of its processes for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: String,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// Somebody stopped it.
    pub stopped_by_hand: bool,
    /// Its cgroups.
    pub cgroups: Option<CgroupPaths>,
    /// How its health checks went.
    pub health: Option<Health>,
    /// The addresses and ports of its networks.
    pub network: serde_json::Value,
}

impl State {
    /// Of a container that was never started.
    pub fn new() -> Self {
        Self {
            version: super::SCHEMA,
            ..Self::default()
        }
    }
}

/// How a container's health checks went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last five.
    pub log: Vec<Probe>,
}

/// The verdict over a container's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Not known yet.
    #[default]
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

/// One health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What it said; -1 when it took too long.
    pub exit_code: i32,
    /// The beginning of what it printed.
    pub output: String,
}
