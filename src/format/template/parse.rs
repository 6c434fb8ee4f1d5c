//! From pieces to the tree: blocks here, what is inside an action in `pipes`.

mod pipes;

use self::pipes::Actions;
use super::lex::{self, Kind, Piece, Token};
use super::tree::{Arm, Node, Pipe};
use super::{MAX_DEPTH, Span};
use crate::error::Result;

/// Understands a whole template.
pub(super) fn parse(source: &str) -> Result<Vec<Node>> {
    let mut parser = Parser {
        source,
        pieces: lex::pieces(source)?.into_iter(),
        variables: vec!["$".to_owned()],
        depth: 0,
        loops: 0,
    };
    let (nodes, end) = parser.block()?;
    match end {
        Stop::Source => Ok(nodes),
        Stop::Else(action) => parser.fail(action.span, "unexpected {{else}}"),
        Stop::End(span) => parser.fail(span, "unexpected {{end}}"),
    }
}

struct Parser<'a> {
    source: &'a str,
    pieces: std::vec::IntoIter<Piece>,
    /// The variables known here; a block forgets its own at its end.
    variables: Vec<String>,
    depth: usize,
    /// How many `range` bodies are open.
    loops: usize,
}

/// What ended a list of nodes.
enum Stop {
    Source,
    End(Span),
    Else(Action),
}

/// An action's tokens behind its keyword.
struct Action {
    span: Span,
    tokens: Vec<Token>,
}

impl Action {
    /// The first token, if it is a word, and the action without it.
    fn keyword(&self) -> Option<&str> {
        match &self.tokens.first()?.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn without_keyword(mut self) -> Self {
        self.tokens.remove(0);
        self
    }
}

impl Parser<'_> {
    fn fail<T>(&self, span: Span, what: &str) -> Result<T> {
        Err(span.error(self.source, what))
    }

    /// Nodes up to what ends them.
    fn block(&mut self) -> Result<(Vec<Node>, Stop)> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let action = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, span) => Action { span, tokens },
            };
            match action.keyword() {
                Some("end") => {
                    self.nothing_more(&action, "end")?;
                    return Ok((nodes, Stop::End(action.span)));
                }
                Some("else") => return Ok((nodes, Stop::Else(action.without_keyword()))),
                _ => nodes.push(self.action(action)?),
            }
        }
        Ok((nodes, Stop::Source))
    }

    fn action(&mut self, action: Action) -> Result<Node> {
        match action.keyword() {
            Some("if") => self.nested(action, |parser, action| parser.choose(action, false)),
            Some("with") => self.nested(action, |parser, action| parser.choose(action, true)),
            Some("range") => self.nested(action, Self::range),
            Some(word @ ("break" | "continue")) => {
                self.nothing_more(&action, word)?;
                self.leave_loop(&action, word)
            }
            Some(word @ ("define" | "template" | "block")) => self.fail(
                action.span,
                &format!("{{{{{word}}}}} is not supported: a format is one template"),
            ),
            _ => Ok(Node::Print(self.pipe(action, "command", false)?)),
        }
    }

    fn leave_loop(&self, action: &Action, word: &str) -> Result<Node> {
        if self.loops == 0 {
            let what = format!("{{{{{word}}}}} outside {{{{range}}}}");
            return self.fail(action.span, &what);
        }
        Ok(if word == "break" {
            Node::Break
        } else {
            Node::Continue
        })
    }

    fn nothing_more(&self, action: &Action, word: &str) -> Result<()> {
        match action.tokens.get(1) {
            None => Ok(()),
            Some(token) => self.fail(
                token.span,
                &format!(
                    "expected \"}}}}\" after {word}, found {:?}",
                    token.span.text(self.source)
                ),
            ),
        }
    }

    /// A block in a block: bounded, and its variables end with it.
    fn nested(
        &mut self,
        action: Action,
        parse: impl FnOnce(&mut Self, Action) -> Result<Node>,
    ) -> Result<Node> {
        if self.depth >= MAX_DEPTH {
            return self.fail(action.span, "more than 100 blocks inside each other");
        }
        self.depth += 1;
        let known = self.variables.len();
        let node = parse(self, action.without_keyword());
        self.variables.truncate(known);
        self.depth -= 1;
        node
    }

    /// `else if` and `else with` are further arms of the same choice, so that
    /// a long chain of them nests no deeper than one.
    fn choose(&mut self, action: Action, moves_dot: bool) -> Result<Node> {
        let keyword = if moves_dot { "with" } else { "if" };
        let start = action.span;
        let mut arms = Vec::new();
        let mut next = action;
        loop {
            let condition = self.pipe(next, keyword, false)?;
            let (body, end) = self.block()?;
            arms.push(Arm {
                condition,
                moves_dot,
                body,
            });
            let otherwise = match end {
                Stop::Else(action) if action.keyword() == Some(keyword) => {
                    next = action.without_keyword();
                    continue;
                }
                end => self.otherwise(start, keyword, end)?,
            };
            return Ok(Node::Choose { arms, otherwise });
        }
    }

    /// What follows the last condition: nothing, or `{{else}}` and `{{end}}`.
    fn otherwise(&mut self, start: Span, keyword: &str, end: Stop) -> Result<Vec<Node>> {
        let (nodes, end) = match end {
            Stop::Else(action) => {
                self.bare_else(&action)?;
                self.block()?
            }
            end => (Vec::new(), end),
        };
        match end {
            Stop::End(_) => Ok(nodes),
            Stop::Else(action) => self.fail(action.span, "expected {{end}}, found {{else}}"),
            Stop::Source => self.fail(start, &format!("this {keyword} has no {{{{end}}}}")),
        }
    }

    fn bare_else(&self, action: &Action) -> Result<()> {
        match action.tokens.first() {
            None => Ok(()),
            Some(token) => self.fail(
                token.span,
                &format!(
                    "expected \"}}}}\" after else, found {:?}",
                    token.span.text(self.source)
                ),
            ),
        }
    }

    fn range(&mut self, action: Action) -> Result<Node> {
        let start = action.span;
        let over = self.pipe(action, "range", true)?;
        self.loops += 1;
        let (body, end) = self.block()?;
        self.loops -= 1;
        let otherwise = self.otherwise(start, "range", end)?;
        Ok(Node::Range {
            over,
            body,
            otherwise,
        })
    }

    fn pipe(&mut self, action: Action, context: &str, range: bool) -> Result<Pipe> {
        if action.tokens.is_empty() {
            let what = format!("missing value for {context}");
            return self.fail(action.span, &what);
        }
        let actions = Actions {
            source: self.source,
            action: action.span,
            tokens: action.tokens.into_iter().peekable(),
            variables: &mut self.variables,
            depth: self.depth,
        };
        actions.whole(range)
    }
}
