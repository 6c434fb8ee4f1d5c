//! Variables that a Dockerfile uses and nobody has defined: they are empty,
//! and hardly meant so. Pure; what the variables of a base are is asked for,
//! and where nobody knows, only those are told of that the file itself has in
//! another place.

use std::collections::BTreeSet;

use super::language::{
    Argument, Diagnostic, Dockerfile, Expander, Instruction, Source, Span, Stage, Step, Transfer,
    TransferSource, Word,
};
use super::scope::Globals;

/// The variables of an image, by its name: `NAME=value`; none: not known.
pub type Base<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

/// What is defined at a place of a stage.
#[derive(Clone, Default)]
struct Known {
    names: BTreeSet<String>,
    /// There may be others.
    and_others: bool,
}

impl Known {
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn add(&mut self, name: &Word) {
        // A name that is worked out may be any.
        self.and_others |= name.text.contains('$');
        self.names.insert(name.text.clone());
    }
}

/// What is wrong, line by line.
pub fn find(file: &Dockerfile, globals: &Globals, base: &Base<'_>) -> Vec<Diagnostic> {
    let mut search = Search {
        file,
        globals,
        found: Vec::new(),
    };
    search.globals();
    let mut ends: Vec<Known> = Vec::new();
    for stage in &file.stages {
        let mut known = search.begins(stage, &ends, base);
        let arguments = search.stage(stage, &mut known);
        // Arguments end with their stage.
        known.names.retain(|name| !arguments.contains(name));
        ends.push(known);
    }
    search.found
}

struct Search<'a> {
    file: &'a Dockerfile,
    globals: &'a Globals,
    found: Vec<Diagnostic>,
}

impl Search<'_> {
    /// The lines before the first `FROM`, and all those.
    fn globals(&mut self) {
        let declared = self.file.global_args.iter().flat_map(|line| &line.args);
        let stages = self.file.stages.iter();
        let froms = stages.flat_map(|stage| [Some(&stage.base), stage.platform.as_ref()]);
        let defaults = declared.filter_map(|arg| arg.default.as_ref());
        for word in defaults.chain(froms.flatten()) {
            for name in used(&word.text, self.file.directives.escape) {
                if !self.globals.is_known(&name) {
                    self.found.push(
                        Diagnostic::new(word.span, format!("${name} is empty here"))
                            .hint("an ARG before the first FROM gives it a value"),
                    );
                }
            }
        }
    }

    /// What a stage begins with.
    fn begins(&self, stage: &Stage, ends: &[Known], base: &Base<'_>) -> Known {
        let lookup = |name: &str| self.globals.get(name);
        let expander = Expander {
            escape: self.file.directives.escape,
            lookup: &lookup,
        };
        let unknown = Known {
            and_others: true,
            ..Known::default()
        };
        let Ok(name) = expander.word(&stage.base) else {
            return unknown;
        };
        match self.file.base(stage.index, &name) {
            Source::Scratch => Known::default(),
            Source::Stage(other) => ends[other].clone(),
            Source::Image(name) => base(&name).map_or(unknown, |env| Known {
                names: env.iter().map(|entry| before_equals(entry)).collect(),
                and_others: false,
            }),
        }
    }

    /// The steps of a stage; gives back the names that were only arguments.
    fn stage(&mut self, stage: &Stage, known: &mut Known) -> BTreeSet<String> {
        let mut arguments = BTreeSet::new();
        for step in &stage.steps {
            match &step.instruction {
                Instruction::Arg(args) => {
                    for Argument { name, default } in args {
                        if let Some(word) = default {
                            self.word(word, known);
                        }
                        if !known.has(&name.text) {
                            arguments.insert(name.text.clone());
                        }
                        known.add(name);
                    }
                }
                Instruction::Env(pairs) => {
                    for pair in pairs {
                        // `A=$A:more` is written so in case there is one.
                        let is_new = known.names.insert(pair.name.text.clone());
                        self.word(&pair.value, known);
                        if is_new {
                            known.names.remove(&pair.name.text);
                        }
                    }
                    for pair in pairs {
                        arguments.remove(&pair.name.text);
                        known.add(&pair.name);
                    }
                }
                _ => self.step(step, known),
            }
        }
        arguments
    }

    fn step(&mut self, step: &Step, known: &Known) {
        match &step.instruction {
            Instruction::Label(pairs) => {
                for pair in pairs {
                    self.word(&pair.value, known);
                }
            }
            Instruction::Workdir(word)
            | Instruction::User(word)
            | Instruction::Stopsignal(word) => self.word(word, known),
            Instruction::Volume(words) | Instruction::Expose(words) => {
                for word in words {
                    self.word(word, known);
                }
            }
            Instruction::Copy(copy) => self.transfer(&copy.files, known),
            Instruction::Add(add) => self.transfer(&add.files, known),
            Instruction::Run(run) => {
                let options = run.mounts.iter().flat_map(|mount| &mount.options);
                for word in options.filter_map(|(_, value)| value.as_ref()) {
                    self.word(word, known);
                }
            }
            _ => {}
        }
    }

    fn transfer(&mut self, files: &Transfer, known: &Known) {
        for source in &files.sources {
            match source {
                TransferSource::Path(word) => self.word(word, known),
                TransferSource::Inline(document) if document.expand => {
                    // Quotes are characters as any there.
                    let text = document.text.replace(['\'', '"'], " ");
                    let before = self.found.len();
                    self.text(&text, '\\', document.span, known);
                    for found in &mut self.found[before..] {
                        let name = &document.name;
                        found.hint = Some(format!("if it is to stay as it is: <<'{name}'"));
                    }
                }
                TransferSource::Inline(_) => {}
            }
        }
        let others = [&files.chown, &files.chmod].into_iter().flatten();
        for word in others.chain([&files.destination]) {
            self.word(word, known);
        }
    }

    fn word(&mut self, word: &Word, known: &Known) {
        self.text(&word.text, self.file.directives.escape, word.span, known);
    }

    fn text(&mut self, text: &str, escape: char, span: Span, known: &Known) {
        for name in used(text, escape) {
            let elsewhere = self.globals.is_known(&name);
            // Docker's builder knows a PATH everywhere.
            if known.has(&name) || name == "PATH" || (known.and_others && !elsewhere) {
                continue;
            }
            let hint = if elsewhere {
                format!("what is known to FROM a stage sees only after its own: ARG {name}")
            } else {
                format!("ARG {name} or ENV {name}=… above gives it a value")
            };
            let message = format!("${name} is empty here");
            self.found.push(Diagnostic::new(span, message).hint(hint));
        }
    }
}

fn before_equals(entry: &str) -> String {
    entry.split('=').next().unwrap_or_default().to_owned()
}

/// The names of the variables that a text just uses: one with a default, or
/// that is asked about otherwise, may well be undefined.
fn used(text: &str, escape: char) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = text.chars().peekable();
    let mut double = false;
    while let Some(c) = rest.next() {
        match c {
            c if c == escape => drop(rest.next()),
            '"' => double = !double,
            '\'' if !double => drop(rest.by_ref().find(|c| *c == '\'')),
            '$' => {
                let braces = rest.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                let plain = !braces || rest.next_if_eq(&'}').is_some();
                if !plain {
                    skip_braces(&mut rest);
                }
                if plain && name.starts_with(|c: char| !c.is_ascii_digit()) {
                    names.insert(name);
                }
            }
            _ => {}
        }
    }
    names
}

/// Reads on behind the end of what is in braces.
fn skip_braces(rest: &mut impl Iterator<Item = char>) {
    let mut depth = 1;
    for c in rest {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::language::parse;
    use crate::image::platform::Platform;

    fn told(text: &str) -> Vec<(u32, String)> {
        let file = parse(text).unwrap();
        let here = Platform::host();
        let globals = Globals::new(&file, &[].into(), &here, &here, "default").unwrap();
        let base = |name: &str| (name == "here").then(|| vec!["HOME_OF=/x".to_owned()]);
        let found = find(&file, &globals, &base).into_iter();
        found.map(|d| (d.span.line, d.message)).collect()
    }

    #[test]
    fn what_nobody_has_defined_is_told() {
        for (text, line, name) in [
            ("FROM a:$NOPE", 1, "NOPE"),
            ("ARG A=${NOPE}\nFROM a", 1, "NOPE"),
            ("FROM --platform=$NOPE a", 1, "NOPE"),
            ("FROM here\nWORKDIR /a/$NOPE", 2, "NOPE"),
            ("FROM scratch\nCOPY a \"/$NOPE/\"", 2, "NOPE"),
            ("FROM scratch\nCOPY --chown=$NOPE a /", 2, "NOPE"),
            ("FROM scratch\nCOPY <<E /f\nit's $NOPE\nE", 3, "NOPE"),
            ("FROM scratch\nENV A=1 B=$A", 2, "A"),
            ("FROM scratch AS x\nARG A\nFROM x\nUSER $A", 4, "A"),
            // Known elsewhere, whatever the base has.
            ("ARG V=1\nFROM a:$V\nLABEL v=$V", 3, "V"),
            ("FROM a\nLABEL v=$TARGETARCH", 2, "TARGETARCH"),
        ] {
            let told = told(text);
            let [(at, message)] = told.as_slice() else {
                panic!("{text}: {told:?}");
            };
            assert_eq!(*at, line, "{text}");
            assert_eq!(*message, format!("${name} is empty here"), "{text}");
        }
    }

    #[test]
    fn what_is_or_may_be_defined_is_not() {
        for text in [
            "ARG V\nFROM a:$V\nARG V\nLABEL v=$V",
            "FROM --platform=$BUILDPLATFORM a\nWORKDIR $GOPATH/src",
            "FROM here\nWORKDIR $HOME_OF\nENV PATH=$PATH:/x LIB=$LIB:/y",
            "FROM scratch\nENV A=1\nENV B=$A C=${D:-$E} F='$G' H=\\$I J=${K:+${L}x}",
            "FROM scratch\nRUN echo $X\nCMD echo $Y\nCOPY <<'E' /f\n$Z\nE",
            "FROM scratch AS x\nENV A=1\nFROM x\nUSER $A",
            "FROM scratch\nARG A=1 B=$A\nENV A=$A\nUSER $A$1",
            "ARG N=A\nFROM scratch\nARG N\nENV $N=1\nUSER $A",
        ] {
            assert_eq!(told(text), [], "{text}");
        }
    }
}
