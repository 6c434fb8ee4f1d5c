//! Walks the tree and writes what it makes of the data.

mod turns;

use std::fmt::Write as _;

use serde_json::Value;

use self::turns::Turns;
use super::tree::{Arm, Base, Command, Node, Operand, Pipe};
use super::value::{self, Bounded, TOO_LONG, Val};
use super::{Options, Span, Template, functions, header};
use crate::error::{Error, Result};

/// Steps a template may take: seconds of work, where a real one needs
/// milliseconds. `{{range 1000000000}}` is as short as a template gets.
const MAX_STEPS: usize = 5_000_000;

/// The template filled in with `data`.
pub(super) fn render(template: &Template, data: &Value, options: Options) -> Result<String> {
    let dot = Val::Data(data);
    let mut walk = Walk {
        source: &template.source,
        options,
        maps: options
            .maps
            .iter()
            .filter_map(|at| data.pointer(at))
            .collect(),
        variables: vec![("$".to_owned(), dot.clone())],
        out: Bounded::default(),
        steps: MAX_STEPS,
    };
    walk.nodes(&template.nodes, &dot)?;
    Ok(walk.out.0)
}

struct Walk<'t, 'd> {
    source: &'t str,
    options: Options,
    /// Those objects in the data that are maps.
    maps: Vec<&'d Value>,
    /// The innermost last.
    variables: Vec<(String, Val<'d>)>,
    out: Bounded,
    /// What is left of [`MAX_STEPS`].
    steps: usize,
}

/// What comes after a list of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'d> Walk<'_, 'd> {
    fn failure(&self, span: Span, what: &str) -> Error {
        span.failure(self.source, what)
    }

    fn spend(&mut self, steps: usize) -> Result<()> {
        let Some(left) = self.steps.checked_sub(steps) else {
            return Err(Error::user("template: this takes too long")
                .hint("a template may take five million steps"));
        };
        self.steps = left;
        Ok(())
    }

    /// Counts what handling a value costs, and passes it on.
    fn counted(&mut self, value: Val<'d>) -> Result<Val<'d>> {
        self.spend(value.weight())?;
        Ok(value)
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Val<'d>) -> Result<Flow> {
        for node in nodes {
            self.spend(1)?;
            let flow = match node {
                Node::Text(text) => self.write(text)?,
                Node::Print(pipe) => self.print(pipe, dot)?,
                Node::Choose { arms, otherwise } => {
                    self.scoped(|walk| walk.choose(arms, otherwise, dot))?
                }
                Node::Range {
                    over,
                    body,
                    otherwise,
                } => self.scoped(|walk| walk.range(over, body, otherwise, dot))?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn write(&mut self, text: &str) -> Result<Flow> {
        self.out
            .write_str(text)
            .map_err(|_| Error::user(format!("template: {TOO_LONG}")))?;
        Ok(Flow::On)
    }

    /// Variables declared inside are gone after it.
    fn scoped(&mut self, walk: impl FnOnce(&mut Self) -> Result<Flow>) -> Result<Flow> {
        let known = self.variables.len();
        let flow = walk(self);
        self.variables.truncate(known);
        flow
    }

    fn print(&mut self, pipe: &Pipe, dot: &Val<'d>) -> Result<Flow> {
        let value = self.pipe(pipe, dot)?;
        if !pipe.variables.is_empty() {
            return Ok(Flow::On);
        }
        if value.json().is_null() {
            return self.write(self.null(pipe, &value));
        }
        let escape = self.options.escape && value.is_data();
        let before = self.out.0.len();
        value::write(&mut self.out, value.json(), escape)
            .map_err(|_| self.failure(pipe.span, TOO_LONG))?;
        self.spend((self.out.0.len() - before) / 16)?;
        Ok(Flow::On)
    }

    /// The word for what is not there.
    fn null(&self, pipe: &Pipe, value: &Val<'d>) -> &'static str {
        let is_there = matches!(value, Val::Data(_));
        let field = match pipe.commands.as_slice() {
            [command] if is_there && command.args.is_empty() => command.head.fields.last(),
            _ => None,
        };
        let known = self.options.nulls.iter();
        let mut known = known.filter(|(name, _)| field.is_some_and(|field| field == name));
        known.next().map_or("<no value>", |(_, word)| word)
    }

    fn choose(&mut self, arms: &[Arm], otherwise: &[Node], dot: &Val<'d>) -> Result<Flow> {
        for arm in arms {
            let value = self.pipe(&arm.condition, dot)?;
            if value.truth() {
                let inside = if arm.moves_dot { &value } else { dot };
                return self.nodes(&arm.body, inside);
            }
        }
        self.nodes(otherwise, dot)
    }

    fn range(
        &mut self,
        over: &Pipe,
        body: &[Node],
        otherwise: &[Node],
        dot: &Val<'d>,
    ) -> Result<Flow> {
        let known = self.variables.len();
        let value = self.pipe(over, dot)?;
        // What the pipeline declared are the loop's own, one set for each turn.
        if !over.assigns {
            self.variables.truncate(known);
        }
        let mut turns = Turns::new(&value, over.variables.len(), self.options)
            .map_err(|e| self.failure(over.span, &e))?;
        if turns.is_empty() {
            return self.nodes(otherwise, dot);
        }
        while let Some((key, item)) = turns.next(&value) {
            let item = self.counted(item)?;
            self.loop_variables(over, key, &item);
            let flow = self.scoped_body(body, &item, known)?;
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn scoped_body(&mut self, body: &[Node], dot: &Val<'d>, known: usize) -> Result<Flow> {
        let flow = self.nodes(body, dot);
        self.variables.truncate(known);
        flow
    }

    /// One variable takes the item; of two the first takes the key.
    fn loop_variables(&mut self, over: &Pipe, key: Val<'d>, item: &Val<'d>) {
        let values = match over.variables.len() {
            2 => vec![key, item.clone()],
            _ => vec![item.clone()],
        };
        for (name, value) in over.variables.iter().zip(values) {
            self.set(name, value, over.assigns);
        }
    }

    fn set(&mut self, name: &str, value: Val<'d>, assigns: bool) {
        let known = self.variables.iter_mut().rev().find(|(n, _)| n == name);
        match known {
            Some(variable) if assigns => variable.1 = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Val<'d>) -> Result<Val<'d>> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot)?);
        }
        let value = value.unwrap_or(Val::Missing);
        if let [name] = pipe.variables.as_slice() {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    /// One stage: `piped` is the value of the stage before it.
    fn command(
        &mut self,
        command: &Command,
        piped: Option<Val<'d>>,
        dot: &Val<'d>,
    ) -> Result<Val<'d>> {
        let head = &command.head;
        if let Base::Function(name) = &head.base {
            let value = self.call(name, command, piped, dot)?;
            return self.fields(value, head, &head.fields);
        }
        if command.args.is_empty() && piped.is_none() {
            return self.operand(head, dot);
        }
        let Some((last, before)) = head.fields.split_last() else {
            let what = format!(
                "can't give argument to non-function {}",
                self.text(head.span)
            );
            return Err(self.failure(head.span, &what));
        };
        if last != "Label" {
            let what = format!("{last} has arguments but cannot be invoked as function");
            return Err(self.failure(head.span, &what));
        }
        let receiver = self.base(head, dot)?;
        let receiver = self.fields(receiver, head, before)?;
        let args = self.arguments(&command.args, piped, dot)?;
        header::label(&receiver, &args, self.options).map_err(|e| self.failure(head.span, &e))
    }

    fn text(&self, span: Span) -> &str {
        span.text(self.source)
    }

    fn arguments(
        &mut self,
        args: &[Operand],
        piped: Option<Val<'d>>,
        dot: &Val<'d>,
    ) -> Result<Vec<Val<'d>>> {
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in args {
            values.push(self.operand(arg, dot)?);
        }
        values.extend(piped);
        Ok(values)
    }

    fn call(
        &mut self,
        name: &str,
        command: &Command,
        piped: Option<Val<'d>>,
        dot: &Val<'d>,
    ) -> Result<Val<'d>> {
        let given = command.args.len() + usize::from(piped.is_some());
        functions::check_count(name, given).map_err(|e| self.failure(command.span, &e))?;
        if matches!(name, "and" | "or") {
            return self.and_or(name == "or", command, piped, dot);
        }
        let args = self.arguments(&command.args, piped, dot)?;
        let value = functions::call(name, &args, self.options)
            .map_err(|e| self.failure(command.span, &format!("error calling {name}: {e}")))?;
        self.counted(value)
    }

    /// The first argument that decides; those behind it are not looked at.
    fn and_or(
        &mut self,
        decides: bool,
        command: &Command,
        piped: Option<Val<'d>>,
        dot: &Val<'d>,
    ) -> Result<Val<'d>> {
        let mut value = Val::Missing;
        for arg in &command.args {
            value = self.operand(arg, dot)?;
            if value.truth() == decides {
                return Ok(value);
            }
        }
        Ok(piped.unwrap_or(value))
    }

    fn operand(&mut self, operand: &Operand, dot: &Val<'d>) -> Result<Val<'d>> {
        let value = self.base(operand, dot)?;
        let value = self.fields(value, operand, &operand.fields)?;
        self.counted(value)
    }

    fn base(&mut self, operand: &Operand, dot: &Val<'d>) -> Result<Val<'d>> {
        match &operand.base {
            Base::Dot => Ok(dot.clone()),
            Base::Nil => Ok(Val::made(Value::Null)),
            Base::Literal(value) => Ok(Val::made(value.clone())),
            Base::Variable(name) => Ok(self.variable(name)),
            Base::Pipe(pipe) => self.pipe(pipe, dot),
            Base::Function(name) => {
                let command = Command {
                    span: operand.span,
                    head: operand.clone(),
                    args: Vec::new(),
                };
                self.call(name, &command, None, dot)
            }
        }
    }

    fn variable(&self, name: &str) -> Val<'d> {
        let known = self.variables.iter().rev().find(|(n, _)| n == name);
        known.map_or(Val::Missing, |(_, value)| value.clone())
    }

    fn fields(&self, value: Val<'d>, operand: &Operand, fields: &[String]) -> Result<Val<'d>> {
        fields.iter().try_fold(value, |value, name| {
            if self.options.header {
                return Ok(header::field(&value, name));
            }
            self.field(&value, operand.span, name)
        })
    }

    fn field(&self, value: &Val<'d>, span: Span, name: &str) -> Result<Val<'d>> {
        let lenient = self.options.lenient;
        let is_map = |value| self.maps.iter().any(|map| std::ptr::eq(*map, value));
        match value.json() {
            object @ Value::Object(map) if lenient || map.contains_key(name) || is_map(object) => {
                Ok(value.member(|map| map.get(name)))
            }
            Value::Null if lenient => Ok(Val::Missing),
            Value::Object(map) => Err(self
                .failure(span, &format!("no such field: {name:?}"))
                .hint(fields_there(map))),
            Value::Null => Err(self.failure(span, &format!("nil has no field {name:?}"))),
            other => {
                let kind = value::type_name(other);
                let what = format!("can't evaluate field {name} in type {kind}");
                Err(self.failure(span, &what))
            }
        }
    }
}

/// What could have been meant.
fn fields_there(map: &serde_json::Map<String, Value>) -> String {
    const SHOWN: usize = 40;
    let names: Vec<&str> = map.keys().take(SHOWN).map(String::as_str).collect();
    match (names.len(), map.len()) {
        (0, _) => "there are no fields here".to_owned(),
        (shown, all) if shown < all => format!("the first fields here are {}", names.join(", ")),
        _ => format!("the fields here are {}", names.join(", ")),
    }
}
