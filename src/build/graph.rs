//! Which stages a build needs, what each begins with, and what it takes from
//! others. A stage that nobody needs is not even looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::language::{
    Diagnostic, Dockerfile, Expander, Instruction, Source, Step, Word, near, parse_trigger,
};
use super::scope::Globals;
use super::trouble::{Result, Trouble};
use crate::error::Error;
use crate::image::Image;
use crate::image::platform::Platform;

/// The stages that are needed, each behind those it needs.
#[derive(Debug, Default)]
pub struct Graph {
    /// By their index in the file.
    pub nodes: BTreeMap<usize, Node>,
    /// Images whose files are copied or mounted, by their names.
    pub images: BTreeMap<String, Image>,
}

/// A stage that is needed.
#[derive(Debug)]
pub struct Node {
    /// What it begins with.
    pub base: Base,
    /// For which machine.
    pub platform: Platform,
    /// What is done in it: first what its base asks for by `ONBUILD`.
    pub steps: Vec<Planned>,
    /// What it asks for of those who begin with it.
    on_build: Vec<String>,
}

/// What a stage begins with.
#[derive(Debug)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image: as it was named, and what that is.
    Image(String, Box<Image>),
}

/// A step of a stage.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What it is.
    pub step: Step,
    /// It is not of this file, but this text of its base's `ONBUILD`.
    pub trigger: Option<String>,
}

/// Brings an image for a machine, or for whichever.
pub type Bring<'a> = dyn FnMut(&str, Option<&Platform>) -> crate::error::Result<Image> + 'a;

/// What the search goes by.
pub struct Search<'a> {
    /// The file.
    pub file: &'a Dockerfile,
    /// The arguments of `FROM` lines.
    pub globals: &'a Globals,
    /// For which machine, where nothing else is said.
    pub platform: Platform,
    /// The machine was chosen on the command line.
    pub chosen: bool,
}

impl Search<'_> {
    /// All that stage `target` needs.
    pub fn needed(&self, target: usize, bring: &mut Bring<'_>) -> Result<Graph> {
        let mut graph = Graph::default();
        // In their order, so that each finds there what it is built on: a long
        // row of stages is no deep recursion.
        for stage in self.below(target) {
            self.visit(stage, &mut graph, bring)?;
        }
        Ok(graph)
    }

    /// A stage and those that it needs, as far as the file alone tells.
    fn below(&self, target: usize) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut todo = vec![target];
        while let Some(index) = todo.pop() {
            if !needed.insert(index) {
                continue;
            }
            let stage = &self.file.stages[index];
            let base = self.expand(&stage.base).ok();
            let base = base.map(|name| self.file.base(index, &name));
            let froms = stage.steps.iter().flat_map(from_of);
            let froms = froms.map(|from| self.file.from(index, &from.text));
            todo.extend(
                base.into_iter()
                    .chain(froms)
                    .filter_map(|source| match source {
                        Source::Stage(other) => Some(other),
                        _ => None,
                    }),
            );
        }
        needed
    }

    fn visit(&self, index: usize, graph: &mut Graph, bring: &mut Bring<'_>) -> Result<()> {
        if graph.nodes.contains_key(&index) {
            return Ok(());
        }
        let stage = &self.file.stages[index];
        let name = self.expand(&stage.base)?;
        let platform = self.platform_of(index)?;
        let (base, triggers) = match self.file.base(index, &name) {
            Source::Scratch => (Base::Scratch, Vec::new()),
            Source::Stage(other) => {
                self.visit(other, graph, bring)?;
                let triggers = graph.nodes[&other].on_build.clone();
                (Base::Stage(other), triggers)
            }
            Source::Image(name) => {
                let wanted = (self.chosen || stage.platform.is_some()).then_some(&platform);
                let image = bring(&name, wanted);
                let image = image.map_err(|e| self.no_image(&stage.base, &e))?;
                let triggers = image.config.config.on_build.clone();
                (Base::Image(name, Box::new(image)), triggers)
            }
        };
        let mut steps = Vec::new();
        for text in triggers {
            let step = parse_trigger(&text).map_err(|e| trigger_failed(&name, &text, &e))?;
            let trigger = Some(text);
            steps.push(Planned { step, trigger });
        }
        let own = stage.steps.iter().cloned();
        steps.extend(own.map(|step| Planned {
            step,
            trigger: None,
        }));
        for planned in &steps {
            for from in from_of(&planned.step) {
                self.visit_from(index, from, graph, bring)?;
            }
        }
        let platform = match &base {
            Base::Image(_, image) => image.config.platform(),
            Base::Stage(other) => graph.nodes[other].platform.clone(),
            Base::Scratch => platform,
        };
        let on_build = on_build(&stage.steps);
        let node = Node {
            base,
            platform,
            steps,
            on_build,
        };
        graph.nodes.insert(index, node);
        Ok(())
    }

    fn visit_from(
        &self,
        index: usize,
        from: &Word,
        graph: &mut Graph,
        bring: &mut Bring<'_>,
    ) -> Result<()> {
        match self.file.from(index, &from.text) {
            Source::Scratch => Ok(()),
            Source::Stage(other) => self.visit(other, graph, bring),
            Source::Image(name) if graph.images.contains_key(&name) => Ok(()),
            Source::Image(name) => {
                let wanted = self.chosen.then_some(&self.platform);
                let image = bring(&name, wanted).map_err(|e| self.no_image(from, &e))?;
                graph.images.insert(name, image);
                Ok(())
            }
        }
    }

    /// No image could be brought: perhaps a stage was meant.
    fn no_image(&self, word: &Word, e: &Error) -> Diagnostic {
        let aliases = self.file.stages.iter().filter_map(|s| s.alias.as_ref());
        let aliases: Vec<&str> = aliases.map(|alias| alias.text.as_str()).collect();
        let diagnostic = Diagnostic::about(word, e);
        match near(&word.text, &aliases) {
            Some(stage) => diagnostic.hint(format!("did you mean the stage {stage}?")),
            None => diagnostic,
        }
    }

    fn expand(&self, word: &Word) -> Result<String> {
        let lookup = |name: &str| self.globals.get(name);
        let expander = Expander {
            escape: self.file.directives.escape,
            lookup: &lookup,
        };
        let text = expander.word(word)?;
        if text.is_empty() {
            return Err(Trouble::At(
                Diagnostic::new(word.span, format!("{word} is empty here"))
                    .hint("an ARG before the first FROM gives it a value, or --build-arg"),
            ));
        }
        Ok(text)
    }

    fn platform_of(&self, index: usize) -> Result<Platform> {
        let Some(word) = &self.file.stages[index].platform else {
            return Ok(self.platform.clone());
        };
        let text = self.expand(word)?;
        let platform = Platform::parse(&text).map_err(|e| Diagnostic::about(word, &e))?;
        Ok(platform)
    }
}

fn trigger_failed(base: &str, text: &str, e: &Diagnostic) -> Trouble {
    let what = format!("ONBUILD of {base}: {text:?}: {}", e.message);
    Trouble::Plain(
        Error::user(what).hint("the image that is built on asks for this; tell who made it"),
    )
}

/// The stages or images whose files a step needs.
fn from_of(step: &Step) -> Vec<&Word> {
    match &step.instruction {
        Instruction::Copy(copy) => copy.from.iter().collect(),
        Instruction::Run(run) => run.mounts.iter().filter_map(|m| m.from.as_ref()).collect(),
        _ => Vec::new(),
    }
}

fn on_build(steps: &[Step]) -> Vec<String> {
    let texts = steps.iter().filter_map(|step| match &step.instruction {
        Instruction::Onbuild(onbuild) => Some(onbuild.text.clone()),
        _ => None,
    });
    texts.collect()
}
