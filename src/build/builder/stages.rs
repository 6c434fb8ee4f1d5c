//! How a stage goes on.

use std::time::{Duration, Instant};

use super::prepare::{Prepared, Ready};
use super::{Builder, Started, about};
use crate::build::apply::{Applier, Task};
use crate::build::cache;
use crate::build::graph::{Base, Node, Planned};
use crate::build::language::Instruction;
use crate::build::show::How;
use crate::build::state::State;
use crate::build::trouble::{Result, Trouble};
use crate::build::work::{Fetch, Work};
use crate::build::worker::Done;
use crate::container::Timestamp;

/// Where a stage is.
pub(super) struct Cursor {
    /// How far it has come; none: it has not begun.
    state: Option<State>,
    /// The next of its steps.
    next: usize,
    /// All of them.
    steps: usize,
    /// A worker is at its step.
    working: bool,
    /// Steps with work to do: so many were begun, and so many there are.
    shown: (usize, usize),
    /// The number of the step that was announced, and when.
    announced: Option<(usize, Instant)>,
    /// A step that was applied and still has to be done.
    pending: Option<Pending>,
}

/// A step that has work to do.
struct Pending {
    /// The stage as it is with this step applied.
    state: State,
    /// The work.
    task: Task,
    /// What it is found by in the cache, once that is known.
    ready: Option<Ready>,
}

/// Whether a stage could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// It did.
    On,
    /// It waits for another stage, or for a free processor.
    Nowhere,
}

impl Cursor {
    pub fn new(node: &Node) -> Self {
        let has_work = |planned: &&Planned| {
            matches!(
                planned.step.instruction,
                Instruction::Run(_)
                    | Instruction::Copy(_)
                    | Instruction::Add(_)
                    | Instruction::Workdir(_)
            )
        };
        Self {
            state: None,
            next: 0,
            steps: node.steps.len(),
            working: false,
            shown: (0, node.steps.iter().filter(has_work).count() + 1),
            announced: None,
            pending: None,
        }
    }

    /// What it has become, if it is done.
    pub fn finished(&self) -> Option<&State> {
        let done = !self.working && self.next == self.steps;
        self.state.as_ref().filter(|_| done)
    }
}

impl Builder<'_> {
    /// Goes on with every stage as far as possible.
    pub(super) fn advance(&mut self) -> Result<()> {
        let stages: Vec<usize> = self.cursors.keys().copied().collect();
        loop {
            let mut went = false;
            for stage in &stages {
                while self.go_on(*stage)? == Went::On {
                    went = true;
                }
            }
            if !went {
                return Ok(());
            }
        }
    }

    /// What another stage has become.
    pub(super) fn finished(&self, stage: usize) -> Option<&State> {
        self.cursors.get(&stage)?.finished()
    }

    fn cursor(&mut self, stage: usize) -> &mut Cursor {
        // Each stage of the graph has one from the beginning.
        self.cursors.get_mut(&stage).expect("a stage of the graph")
    }

    fn go_on(&mut self, stage: usize) -> Result<Went> {
        let graph = self.graph;
        let cursor = self.cursor(stage);
        if cursor.working {
            return Ok(Went::Nowhere);
        }
        let next = cursor.next;
        let pending = cursor.pending.take();
        if pending.is_none() && cursor.state.is_none() {
            return self.begin(stage);
        }
        if next == cursor.steps {
            return Ok(Went::Nowhere);
        }
        let planned = &graph.nodes[&stage].steps[next];
        if let Some(pending) = pending {
            return self.work(stage, planned, pending);
        }
        // It is moved along, for a long file would be copied at every line.
        let Some(state) = cursor.state.take() else {
            return Ok(Went::Nowhere);
        };
        match self.apply(state, planned)? {
            (state, Some(task)) => {
                let pending = Pending {
                    state,
                    task,
                    ready: None,
                };
                self.work(stage, planned, pending)
            }
            (state, None) => {
                self.settled(stage, state);
                Ok(Went::On)
            }
        }
    }

    /// The first line of a stage.
    fn begin(&mut self, stage: usize) -> Result<Went> {
        let graph = self.graph;
        let node = &graph.nodes[&stage];
        let started = Instant::now();
        let (mut state, name) = match &node.base {
            Base::Scratch => (State::scratch(&node.platform), "scratch".to_owned()),
            Base::Stage(other) => match self.finished(*other) {
                Some(state) => (state.as_base(), self.file.stages[stage].base.text.clone()),
                None => return Ok(Went::Nowhere),
            },
            Base::Image(name, image) => {
                let state = State::of_image(image, self.stage)?;
                (state, name.clone())
            }
        };
        // They have had their say.
        state.config.config.on_build.clear();
        let number = self.announce(stage, &format!("FROM {name}"));
        self.show.end(number, &How::Done, started.elapsed());
        let cursor = self.cursor(stage);
        cursor.announced = None;
        cursor.state = Some(state);
        Ok(Went::On)
    }

    fn apply(&mut self, mut state: State, planned: &Planned) -> Result<(State, Option<Task>)> {
        let applier = Applier {
            globals: self.globals,
            escape: self.file.directives.escape,
        };
        let task = applier.apply(&mut state, &planned.step);
        let task = task.map_err(|e| located(planned, Trouble::At(e)))?;
        if matches!(planned.step.instruction, Instruction::Arg(_)) {
            self.asked.extend(state.scope.names().cloned());
        }
        Ok((state, task))
    }

    /// A step that is done goes into the state.
    fn settled(&mut self, stage: usize, state: State) {
        let cursor = self.cursor(stage);
        cursor.state = Some(state);
        cursor.next += 1;
        cursor.working = false;
        cursor.announced = None;
    }

    /// Shows that a step begins, once; its number.
    fn announce(&mut self, stage: usize, text: &str) -> usize {
        if let Some((number, _)) = self.cursor(stage).announced {
            return number;
        }
        self.count += 1;
        let number = self.count;
        let single = self.graph.nodes.len() == 1;
        let alias = self.file.stages[stage].alias.as_ref();
        let name = match alias {
            Some(alias) => format!("{} ", alias.text),
            None if single => String::new(),
            None => format!("stage-{stage} "),
        };
        let cursor = self.cursor(stage);
        cursor.shown.0 += 1;
        cursor.announced = Some((number, Instant::now()));
        let (n, all) = cursor.shown;
        let title = format!("[{name}{n}/{all}] {text}");
        self.show.begin(number, &title);
        number
    }

    /// Does what a step is about, or finds it done.
    fn work(&mut self, stage: usize, planned: &Planned, mut pending: Pending) -> Result<Went> {
        if pending.ready.is_none() {
            let prepared = self.prepare(stage, &pending.state, &pending.task);
            match prepared.map_err(|e| located(planned, e))? {
                Prepared::Later => return Ok(self.put_off(stage, pending)),
                Prepared::Fetch(fetch) => return self.fetch(stage, planned, pending, fetch),
                Prepared::Ready(ready) => pending.ready = Some(ready),
            }
            pending = match self.found(stage, planned, pending)? {
                Some(pending) => pending,
                None => return Ok(Went::On),
            };
        }
        let unfetched = self.unfetched(&pending.task);
        if let Some(fetch) = unfetched.map_err(|e| located(planned, e))? {
            return self.fetch(stage, planned, pending, fetch);
        }
        if self.busy.len() >= self.most {
            return Ok(self.put_off(stage, pending));
        }
        let Some(ready) = pending.ready else {
            return Ok(Went::Nowhere);
        };
        let number = self.announce(stage, &planned.step.text);
        let work = self.work_of(stage, &pending.state, &pending.task, ready.trees);
        let work = work.map_err(|e| {
            let e = located(planned, e);
            self.show
                .end(number, &How::Failed(e.what().to_owned()), Duration::ZERO);
            e
        })?;
        let started = Started {
            span: planned.step.span,
            trigger: planned.trigger.clone(),
            on_nothing: pending.state.layers.is_empty() && matches!(pending.task, Task::Run(_)),
            text: planned.step.text.clone(),
            history: history(&pending.task),
            key: Some(ready.key),
            fetched: None,
        };
        self.start((stage, number), &pending.state, &work, started)?;
        let cursor = self.cursor(stage);
        cursor.state = Some(pending.state);
        cursor.working = true;
        Ok(Went::On)
    }

    fn put_off(&mut self, stage: usize, pending: Pending) -> Went {
        self.cursor(stage).pending = Some(pending);
        Went::Nowhere
    }

    /// Does a step with what the cache knows of it; gives it back if that is
    /// nothing.
    fn found(
        &mut self,
        stage: usize,
        planned: &Planned,
        pending: Pending,
    ) -> Result<Option<Pending>> {
        let Some(ready) = pending.ready.as_ref().filter(|_| self.may_use_cache(stage)) else {
            return Ok(Some(pending));
        };
        let Some((entry, layer)) = cache::find(self.stage, &pending.state, &ready.key)? else {
            return Ok(Some(pending));
        };
        cache::touch(self.images, &ready.key);
        let number = self.announce(stage, &planned.step.text);
        self.show.end(number, &How::Cached, Duration::ZERO);
        let mut state = pending.state;
        state.add(history(&pending.task), &entry.created, layer);
        self.settled(stage, state);
        Ok(None)
    }

    /// Has a file fetched that a step needs.
    fn fetch(
        &mut self,
        stage: usize,
        planned: &Planned,
        pending: Pending,
        fetch: Fetch,
    ) -> Result<Went> {
        if self.busy.len() >= self.most {
            return Ok(self.put_off(stage, pending));
        }
        let number = self.announce(stage, &planned.step.text);
        let started = Started {
            span: planned.step.span,
            trigger: planned.trigger.clone(),
            on_nothing: false,
            text: planned.step.text.clone(),
            history: String::new(),
            key: None,
            fetched: Some((fetch.url.clone(), fetch.path.clone())),
        };
        self.start(
            (stage, number),
            &pending.state,
            &Work::Fetch(fetch),
            started,
        )?;
        let cursor = self.cursor(stage);
        cursor.working = true;
        cursor.pending = Some(pending);
        Ok(Went::On)
    }

    fn may_use_cache(&self, stage: usize) -> bool {
        let alias = self.file.stages[stage].alias.as_ref();
        let named = alias.is_some_and(|a| self.ask.no_cache_in.contains(&a.text));
        let numbered = self.ask.no_cache_in.contains(&stage.to_string());
        !(self.ask.no_cache || named || numbered)
    }

    /// Gives a stage that is done its date, if none of its steps has: that of
    /// when it was first built. A cached build of it is the same image then.
    pub(super) fn dated(&mut self, stage: usize, mut state: State) -> Result<State> {
        if state.dated || (state.is_base() && self.ask.labels.is_empty()) {
            return Ok(state);
        }
        let mut config = state.finished();
        config.config.labels.extend(self.ask.labels.iter().cloned());
        let key = cache::of_date(&config)?;
        // With a date given there is nothing to remember.
        let known = (self.ask.epoch.is_none() && self.may_use_cache(stage))
            .then(|| cache::find_date(self.images, &key))
            .flatten();
        let is_new = known.is_none();
        let created = known.unwrap_or_else(|| self.now().to_string());
        if is_new && self.ask.epoch.is_none() {
            let text = self.last_line(stage);
            let kept = cache::keep_date(&key, &text, &created, &state);
            self.kept.push(kept);
        }
        state.date(&created);
        Ok(state)
    }

    fn last_line(&self, stage: usize) -> String {
        let stage = &self.file.stages[stage];
        let last = stage.steps.last().map(|step| &step.text);
        last.unwrap_or(&stage.text).clone()
    }

    /// A worker has done its step.
    pub(super) fn take(
        &mut self,
        stage: usize,
        number: usize,
        task: Started,
        done: &Done,
        took: Duration,
    ) -> Result<()> {
        if let (Some((url, path)), Some((sum, changed))) = (task.fetched, &done.fetched) {
            let fetched = super::Fetched {
                path,
                sum: sum.clone(),
                changed: *changed,
            };
            self.fetched.insert(url, fetched);
            self.cursor(stage).working = false;
            return Ok(());
        }
        let Some(key) = task.key else { return Ok(()) };
        let created = self.now().to_string();
        let state = self.cursor(stage).state.take();
        let below = state.as_ref().and_then(State::chain);
        let step = (&*task.text, &*created);
        let (layer, kept) = cache::take(self.stage, &key, step, below, done)?;
        if !done.moved {
            self.kept.push(kept);
        }
        if let Some(mut state) = state {
            state.add(task.history, &created, layer);
            self.settled(stage, state);
        }
        self.show.end(number, &How::Done, took);
        Ok(())
    }

    fn now(&self) -> Timestamp {
        match self.ask.epoch {
            Some(seconds) => Timestamp { seconds, nanos: 0 },
            None => Timestamp::now(),
        }
    }
}

/// An error that knows no line is about the whole step; a line of a trigger is
/// none of this file.
fn located(planned: &Planned, e: Trouble) -> Trouble {
    let trigger = planned.trigger.as_deref();
    match e {
        Trouble::Plain(e) => about(planned.step.span, trigger, &e),
        Trouble::At(e) if trigger.is_some() => about(planned.step.span, trigger, &e.plain()),
        at @ Trouble::At(_) => at,
    }
}

/// What history says of a step.
fn history(task: &Task) -> String {
    match task {
        Task::Run(run) => run.history.clone(),
        Task::Copy(copy) => copy.history.clone(),
        Task::Workdir(_, history) => history.clone(),
    }
}
