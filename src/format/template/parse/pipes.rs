//! What is inside an action: declarations, pipelines, calls and operands.

use std::iter::Peekable;

use serde_json::Value;

use crate::error::Result;
use crate::format::template::lex::{Kind, Token};
use crate::format::template::tree::{Base, Command, Operand, Pipe};
use crate::format::template::{MAX_DEPTH, Span, functions};

/// The tokens of one action, being understood.
pub(super) struct Actions<'a> {
    pub(super) source: &'a str,
    /// Where the whole action is.
    pub(super) action: Span,
    pub(super) tokens: Peekable<std::vec::IntoIter<Token>>,
    pub(super) variables: &'a mut Vec<String>,
    /// Blocks and parentheses around this.
    pub(super) depth: usize,
}

/// The variables at the start of a pipeline.
#[derive(Default)]
struct Declared {
    names: Vec<String>,
    assigns: bool,
}

impl Actions<'_> {
    /// The pipeline that fills the action.
    pub(super) fn whole(mut self, range: bool) -> Result<Pipe> {
        let declared = self.declarations(range)?;
        let mut pipe = self.pipe()?;
        if let Some(token) = self.tokens.next() {
            let found = token.span.text(self.source);
            return self.fail(token.span, &format!("expected \"}}}}\", found {found:?}"));
        }
        // Known only from here on: `{{$x := $x}}` does not know its own.
        if !declared.assigns {
            self.variables.extend(declared.names.iter().cloned());
        }
        pipe.variables = declared.names;
        pipe.assigns = declared.assigns;
        Ok(pipe)
    }

    fn fail<T>(&self, span: Span, what: &str) -> Result<T> {
        Err(span.error(self.source, what))
    }

    /// Where a token was expected that does not come.
    fn here(&mut self) -> Span {
        let end = self.action.end.saturating_sub(2);
        let missing = Span { start: end, end };
        self.tokens.peek().map_or(missing, |token| token.span)
    }

    fn is_next(&mut self, kind: &Kind) -> bool {
        self.tokens.peek().is_some_and(|token| token.kind == *kind)
    }

    /// `$x :=`, `$x =`, and in `range` `$i, $x :=`. A variable alone is a
    /// value, so the tokens behind it decide.
    fn declarations(&mut self, range: bool) -> Result<Declared> {
        let mut ahead = self.tokens.clone();
        let mut names = Vec::new();
        while let Some(Kind::Variable(name)) = ahead.peek().map(|token| token.kind.clone()) {
            let span = ahead.next().map_or(self.action, |token| token.span);
            names.push((name, span));
            match ahead.next().map(|token| token.kind) {
                Some(Kind::Comma) => {}
                Some(kind @ (Kind::Declare | Kind::Assign)) => {
                    self.tokens = ahead;
                    return self.declared(names, kind == Kind::Assign, range);
                }
                _ => break,
            }
        }
        Ok(Declared::default())
    }

    fn declared(&self, names: Vec<(String, Span)>, assigns: bool, range: bool) -> Result<Declared> {
        let most = if range { 2 } else { 1 };
        if let Some((name, span)) = names.get(most) {
            return self.fail(*span, &format!("too many declarations: {name}"));
        }
        for (name, span) in &names {
            if assigns {
                self.known(name, *span)?;
            }
        }
        let names = names.into_iter().map(|(name, _)| name).collect();
        Ok(Declared { names, assigns })
    }

    fn known(&self, name: &str, span: Span) -> Result<()> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        self.fail(span, &format!("undefined variable {name:?}"))
    }

    /// Commands with `|` between them.
    fn pipe(&mut self) -> Result<Pipe> {
        let start = self.here().start;
        let mut commands = vec![self.command()?];
        while self.is_next(&Kind::Pipe) {
            self.tokens.next();
            let command = self.command()?;
            // The value before the bar needs someone to take it.
            if matches!(command.head.base, Base::Dot | Base::Nil | Base::Literal(_))
                && command.head.fields.is_empty()
            {
                let stage = commands.len() + 1;
                let what = format!("non executable command in pipeline stage {stage}");
                return self.fail(command.span, &what);
            }
            commands.push(command);
        }
        let end = commands.last().map_or(start, |last| last.span.end);
        Ok(Pipe {
            span: Span { start, end },
            variables: Vec::new(),
            assigns: false,
            commands,
        })
    }

    /// What is called or shown, and what is given to it.
    fn command(&mut self) -> Result<Command> {
        let head = self.operand()?;
        let mut args = Vec::new();
        while let Some(token) = self.tokens.peek() {
            if matches!(token.kind, Kind::Pipe | Kind::Close) {
                break;
            }
            if !token.spaced {
                let found = token.span.text(self.source);
                let what = format!("expected a space, \"|\" or \"}}}}\", found {found:?}");
                let span = token.span;
                return self.fail(span, &what);
            }
            args.push(self.operand()?);
        }
        let end = args.last().unwrap_or(&head).span.end;
        let start = head.span.start;
        if head.base == Base::Nil {
            return self.fail(head.span, "nil is not a command");
        }
        Ok(Command {
            span: Span { start, end },
            head,
            args,
        })
    }

    /// A value, and the fields looked up in it.
    fn operand(&mut self) -> Result<Operand> {
        let Some(token) = self.tokens.next() else {
            let here = self.here();
            return self.fail(here, "expected a value, found \"}}\"");
        };
        let mut span = token.span;
        let mut fields = Vec::new();
        let base = match token.kind {
            Kind::Field(name) => {
                fields.push(name);
                Base::Dot
            }
            Kind::Open => self.parenthesised(&mut span)?,
            kind => self.single(kind, span)?,
        };
        while let Some((name, end)) = self.field() {
            if matches!(base, Base::Nil | Base::Literal(_)) {
                return self.fail(span, &format!("a field of a literal: .{name}"));
            }
            fields.push(name);
            span.end = end;
        }
        Ok(Operand { span, base, fields })
    }

    /// `.Name` directly behind an operand.
    fn field(&mut self) -> Option<(String, usize)> {
        let token = self.tokens.peek().filter(|token| !token.spaced)?;
        let Kind::Field(name) = &token.kind else {
            return None;
        };
        let found = (name.clone(), token.span.end);
        self.tokens.next();
        Some(found)
    }

    fn parenthesised(&mut self, span: &mut Span) -> Result<Base> {
        if self.depth >= MAX_DEPTH {
            return self.fail(*span, "more than 100 parentheses inside each other");
        }
        self.depth += 1;
        let pipe = self.pipe()?;
        self.depth -= 1;
        match self.tokens.next() {
            Some(token) if token.kind == Kind::Close => span.end = token.span.end,
            _ => return self.fail(*span, "this parenthesis is never closed; expected \")\""),
        }
        Ok(Base::Pipe(Box::new(pipe)))
    }

    fn single(&self, kind: Kind, span: Span) -> Result<Base> {
        Ok(match kind {
            Kind::Dot => Base::Dot,
            Kind::Variable(name) => {
                self.known(&name, span)?;
                Base::Variable(name)
            }
            Kind::Text(text) => Base::Literal(Value::from(text)),
            Kind::Int(int) => Base::Literal(Value::from(int)),
            Kind::Float(float) => Base::Literal(Value::from(float)),
            Kind::Word(word) => match word.as_str() {
                "nil" => Base::Nil,
                "true" => Base::Literal(Value::Bool(true)),
                "false" => Base::Literal(Value::Bool(false)),
                _ if functions::exists(&word) => Base::Function(word),
                _ => return self.fail(span, &format!("function {word:?} not defined")),
            },
            _ => {
                let found = span.text(self.source);
                let what = format!("expected a value, found {found:?}");
                return self.fail(span, &what);
            }
        })
    }
}
