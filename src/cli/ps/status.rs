//! How a container fares, in Docker's words.

use std::time::Duration;

use crate::container::{HealthStatus, State, Status, Timestamp};
use crate::format::units::duration;

/// `Up 3 minutes (healthy)`, `Exited (0) 2 hours ago`, `Created`, …
pub fn status(state: &State, now: Timestamp) -> String {
    let since = |t: Option<Timestamp>| t.map_or(Duration::ZERO, |t| now.since(t));
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => duration::up(since(state.started)) + health(state),
        Status::Paused => duration::up(since(state.started)) + " (Paused)",
        Status::Restarting => format!(
            "Restarting ({}) {}",
            state.exit_code,
            duration::ago(since(state.finished))
        ),
        Status::Exited => format!(
            "Exited ({}) {}",
            state.exit_code,
            duration::ago(since(state.finished))
        ),
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Dead if !state.error.is_empty() => format!("Dead ({})", state.error),
        Status::Dead => "Dead".to_owned(),
    }
}

fn health(state: &State) -> &'static str {
    match state.health.as_ref().map(|health| health.status) {
        None => "",
        Some(HealthStatus::Starting) => " (health: starting)",
        Some(HealthStatus::Healthy) => " (healthy)",
        Some(HealthStatus::Unhealthy) => " (unhealthy)",
    }
}

/// The word for `--filter health=…` and `inspect`.
pub fn health_word(state: &State) -> &'static str {
    match state.health.as_ref().map(|health| health.status) {
        None => "none",
        Some(HealthStatus::Starting) => "starting",
        Some(HealthStatus::Healthy) => "healthy",
        Some(HealthStatus::Unhealthy) => "unhealthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Health;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn every_state_has_docker_s_words() {
        let health = |status| Health {
            status,
            ..Health::default()
        };
        for (state, checks, words) in [
            (Status::Created, None, "Created"),
            (Status::Running, None, "Up 3 minutes"),
            (
                Status::Running,
                Some(HealthStatus::Healthy),
                "Up 3 minutes (healthy)",
            ),
            (
                Status::Running,
                Some(HealthStatus::Unhealthy),
                "Up 3 minutes (unhealthy)",
            ),
            (
                Status::Running,
                Some(HealthStatus::Starting),
                "Up 3 minutes (health: starting)",
            ),
            (
                Status::Paused,
                Some(HealthStatus::Healthy),
                "Up 3 minutes (Paused)",
            ),
            (Status::Restarting, None, "Restarting (7) 20 seconds ago"),
            (Status::Exited, None, "Exited (7) 20 seconds ago"),
            (Status::Removing, None, "Removal In Progress"),
            (Status::Dead, None, "Dead"),
        ] {
            let state = State {
                status: state,
                started: Some(at(1000)),
                finished: Some(at(1160)),
                exit_code: 7,
                health: checks.map(health),
                ..State::default()
            };
            assert_eq!(status(&state, at(1180)), words);
        }
    }
}
