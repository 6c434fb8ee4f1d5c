//! Who takes part in a case, and in which order they have their turns.

/// A value for each of the case's measures; none where the leg has nothing to
/// say about it.
pub(crate) type Sample = Result<Vec<Option<f64>>, String>;

type Turn = Box<dyn FnMut(usize) -> Sample>;

/// One row of the case's tables.
pub(crate) struct Leg {
    pub(crate) name: String,
    /// What it had, or did not have, compared with the others.
    pub(crate) had: String,
    pub(crate) samples: Vec<Vec<Option<f64>>>,
    /// Why it is out of the race.
    pub(crate) failure: Option<String>,
    round: Turn,
    second: Option<Turn>,
    at_end: Option<Box<dyn FnMut()>>,
}

impl Leg {
    /// What one round is: it is told its number, and warming up counts too.
    pub(crate) fn new(
        name: impl Into<String>,
        had: impl Into<String>,
        round: impl FnMut(usize) -> Sample + 'static,
    ) -> Self {
        Leg {
            name: name.into(),
            had: had.into(),
            samples: Vec::new(),
            failure: None,
            round: Box::new(round),
            second: None,
            at_end: None,
        }
    }

    /// The same for a case with one measure.
    pub(crate) fn single(
        name: impl Into<String>,
        had: impl Into<String>,
        mut round: impl FnMut(usize) -> Result<f64, String> + 'static,
    ) -> Self {
        Leg::new(name, had, move |number| Ok(vec![Some(round(number)?)]))
    }

    /// What is done once for each round, but after the last of all legs: a
    /// large removal slows whatever is written next.
    pub(crate) fn then(mut self, second: impl FnMut(usize) -> Sample + 'static) -> Self {
        self.second = Some(Box::new(second));
        self
    }

    /// Leaves nothing behind, however the race went.
    pub(crate) fn at_end(mut self, act: impl FnMut() + 'static) -> Self {
        self.at_end = Some(Box::new(act));
        self
    }

    /// Out before the start.
    pub(crate) fn unless(mut self, failure: Option<String>) -> Self {
        self.failure = self.failure.take().or(failure);
        self
    }

    /// All values for one of the measures. Who failed once has none: its other
    /// rounds may have been as wrong.
    pub(crate) fn values(&self, measure: usize) -> Vec<f64> {
        let of = |sample: &Vec<Option<f64>>| sample.get(measure).copied().flatten();
        let samples = match self.failure {
            None => &self.samples[..],
            Some(_) => &[],
        };
        samples.iter().filter_map(of).collect()
    }

    fn go(&mut self, number: usize, counts: bool, second: bool) {
        let turn = if second {
            self.second.as_mut()
        } else {
            Some(&mut self.round)
        };
        let (Some(turn), None) = (turn, &self.failure) else {
            return;
        };
        match turn(number) {
            Ok(sample) if counts => self.samples.push(sample),
            Ok(_) => {}
            Err(why) => self.failure = Some(why),
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if let Some(act) = &mut self.at_end {
            act();
        }
    }
}

/// Every leg once a round, in turn, so that what slows the machine for a while
/// slows all of them. Each round begins with another leg and every other one
/// goes backwards, so that nobody always has the same neighbour.
pub(crate) fn race(legs: &mut [Leg], warm_up: usize, rounds: usize) {
    let count = legs.len();
    for second in [false, true] {
        for round in 0..warm_up + rounds {
            for turn in 0..count {
                let turn = if round % 2 == 0 {
                    turn
                } else {
                    count - 1 - turn
                };
                legs[(round / 2 + turn) % count].go(round, round >= warm_up, second);
            }
        }
    }
}
