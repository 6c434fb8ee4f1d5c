//! What a case is: plain data, and the goals that rcon has set itself.

use crate::leg::Leg;
use crate::stage::Stage;

/// One way to use a container engine, and what is measured of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What is measured in each round: a table each.
    pub(crate) measures: Vec<Measure>,
    /// Rounds that count, if nothing else is asked for.
    pub(crate) rounds: usize,
    /// Rounds before them that do not.
    pub(crate) warm_up: usize,
    /// Makes ready whoever takes part, rcon first.
    pub(crate) legs: fn(&Stage) -> Result<Vec<Leg>, String>,
}

pub(crate) struct Measure {
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    pub(crate) goals: Vec<Goal>,
}

/// All values are kept in the unit without a prefix.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Milliseconds,
    Seconds,
    Gigabits,
    PerSecond,
    Kilobytes,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Gigabits => "Gbit/s",
            Unit::PerSecond => "1/s",
            Unit::Kilobytes => "kB",
        }
    }

    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Milliseconds => format!("{:.2}", value * 1e3),
            Unit::Seconds => format!("{value:.2}"),
            Unit::Gigabits => format!("{:.1}", value / 1e9),
            Unit::PerSecond => format!("{value:.0}"),
            Unit::Kilobytes => format!("{:.0}", value / 1024.0),
        }
    }

    /// Whether a small value is the good one.
    pub(crate) fn less_is_better(self) -> bool {
        !matches!(self, Unit::Gigabits | Unit::PerSecond)
    }
}

/// What rcon is to reach.
pub(crate) struct Goal {
    pub(crate) factor: f64,
    /// The leg that the factor is about; without one it is a plain value.
    pub(crate) times: Option<&'static str>,
}

impl Measure {
    pub(crate) fn new(title: &'static str, unit: Unit) -> Self {
        Measure {
            title,
            unit,
            goals: Vec::new(),
        }
    }

    /// rcon is to be this many times that leg, or better.
    pub(crate) fn goal(mut self, factor: f64, leg: &'static str) -> Self {
        self.goals.push(Goal {
            factor,
            times: Some(leg),
        });
        self
    }

    /// rcon is to have this value, or a better one.
    pub(crate) fn value(mut self, factor: f64) -> Self {
        self.goals.push(Goal {
            factor,
            times: None,
        });
        self
    }
}
