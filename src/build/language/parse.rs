//! A whole file: directives, global arguments, stages, and whether the stages
//! can follow one another as they say.

use super::ast::{Dockerfile, GlobalArg, Instruction, Onbuild, Stage, Step};
use super::diagnostic::Diagnostic;
use super::instructions::{self, Node};
use super::lines::{self, Lines};
use super::span::Span;
use super::text::{Line, Source};
use super::{doubts, heredoc, stages};

type Result<T> = std::result::Result<T, Diagnostic>;

/// Reads a Dockerfile.
pub fn parse(text: &str) -> Result<Dockerfile> {
    let source = Source::new(text);
    lines::check_bounds(&source)?;
    let mut lines = Lines::new(&source);
    let mut file = Parts::default();
    while let Some(line) = lines.instruction()? {
        file.add(&line, &mut lines)?;
    }
    if file.stages.is_empty() {
        return Err(Diagnostic::new(lines.end(), "there is no FROM")
            .hint("a Dockerfile starts with the image to build on, as in: FROM debian"));
    }
    stages::check(&file.stages)?;
    file.warnings.append(&mut lines.warnings);
    let mut file = Dockerfile {
        source: text.to_owned(),
        directives: lines.directives,
        global_args: file.global_args,
        stages: file.stages,
        warnings: file.warnings,
    };
    let doubts = doubts::find(&file);
    file.warnings.extend(doubts);
    file.warnings.sort_by_key(|warning| warning.span.start);
    Ok(file)
}

/// Reads an `ONBUILD` instruction that the config of a base image holds.
pub fn parse_trigger(text: &str) -> Result<Step> {
    let source = Source::new(text);
    lines::check_bounds(&source)?;
    let mut lines = Lines::new(&source);
    let Some(line) = lines.instruction()? else {
        return Err(Diagnostic::new(lines.end(), "an ONBUILD says nothing"));
    };
    let step = Read::new(&line, &mut lines)?.step(true)?;
    match lines.instruction()? {
        None => Ok(step),
        Some(further) => Err(Diagnostic::new(
            further.all().span(),
            "an ONBUILD holds more than one instruction",
        )),
    }
}

#[derive(Default)]
struct Parts {
    global_args: Vec<GlobalArg>,
    stages: Vec<Stage>,
    warnings: Vec<Diagnostic>,
}

/// An instruction as far as it is the same for all.
struct Read<'a> {
    node: Node<'a>,
    span: Span,
}

impl<'a> Read<'a> {
    fn new(line: &'a Line<'_>, lines: &mut Lines<'_>) -> Result<Self> {
        let all = line.all().trim();
        let documents = heredoc::read(all, lines)?;
        let node = Node::new(all, documents, lines.directives.escape);
        let start = all.span().start;
        let end = lines.position().max(all.span().end);
        let span = lines.source().span(start..end);
        Ok(Self { node, span })
    }

    fn step(&self, trigger: bool) -> Result<Step> {
        let instruction = if trigger {
            instructions::trigger(&self.node)?
        } else {
            instructions::parse(&self.node)?
        };
        Ok(Step {
            instruction,
            span: self.span,
            text: self.node.text(),
        })
    }
}

impl Parts {
    fn add(&mut self, line: &Line<'_>, lines: &mut Lines<'_>) -> Result<()> {
        let read = Read::new(line, lines)?;
        if read.node.is("FROM") {
            self.stages.push(self.stage(&read)?);
            return Ok(());
        }
        let step = read.step(false)?;
        self.warnings.extend(instructions::warnings(&read.node));
        match (self.stages.last_mut(), step.instruction) {
            (Some(stage), instruction) => stage.steps.push(Step {
                instruction,
                ..step
            }),
            (None, Instruction::Arg(args)) => self.global_args.push(GlobalArg {
                args,
                span: step.span,
            }),
            (None, instruction) => {
                let keyword = instruction.keyword();
                let message = format!("{keyword} stands before the first FROM");
                return Err(Diagnostic::new(read.node.keyword.span(), message)
                    .hint("only ARG may: put a FROM line above"));
            }
        }
        Ok(())
    }

    fn stage(&self, read: &Read<'_>) -> Result<Stage> {
        let from = instructions::from(&read.node)?;
        Ok(Stage {
            index: self.stages.len(),
            base: from.base,
            platform: from.platform,
            alias: from.alias,
            steps: Vec::new(),
            span: read.span,
            text: read.node.text(),
        })
    }
}

impl Step {
    /// The instruction it adds, where it is an `ONBUILD`.
    pub fn onbuild(&self) -> Option<&Onbuild> {
        match &self.instruction {
            Instruction::Onbuild(onbuild) => Some(onbuild),
            _ => None,
        }
    }
}
