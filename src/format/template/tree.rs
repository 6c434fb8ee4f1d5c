//! A template as a tree: what `parse` makes and `eval` walks.

use serde_json::Value;

use super::Span;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// `{{pipe}}`.
    Print(Pipe),
    /// `if` or `with`, with their `else` arms: the first true one counts.
    Choose {
        arms: Vec<Arm>,
        otherwise: Vec<Node>,
    },
    Range {
        over: Pipe,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Break,
    Continue,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arm {
    pub(super) condition: Pipe,
    /// `with`: the dot is the condition's value inside.
    pub(super) moves_dot: bool,
    pub(super) body: Vec<Node>,
}

/// `$x := a | b c`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipe {
    pub(super) span: Span,
    /// The variables that take the value: two only in `range`.
    pub(super) variables: Vec<String>,
    /// They are set, with `=`, and not made anew, with `:=`.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// One stage of a pipeline: what is called or shown, and its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) span: Span,
    pub(super) head: Operand,
    pub(super) args: Vec<Operand>,
}

/// A value with the fields looked up in it: `.`, `$x.Name`, `(pipe).Name`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) span: Span,
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    Dot,
    Nil,
    Literal(Value),
    Variable(String),
    Function(String),
    Pipe(Box<Pipe>),
}

/// Changes every text, however deep in blocks.
pub(super) fn each_text(nodes: &mut [Node], change: &impl Fn(&mut String)) {
    for node in nodes {
        match node {
            Node::Text(text) => change(text),
            Node::Print(_) | Node::Break | Node::Continue => {}
            Node::Choose { arms, otherwise } => {
                for arm in arms {
                    each_text(&mut arm.body, change);
                }
                each_text(otherwise, change);
            }
            Node::Range {
                body, otherwise, ..
            } => {
                each_text(body, change);
                each_text(otherwise, change);
            }
        }
    }
}
