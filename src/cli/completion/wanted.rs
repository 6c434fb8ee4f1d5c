//! What is wanted where the cursor is: the name of a container, an image, a
//! network, a volume, or none of these. Pure.
//!
//! The definition of the command line says it: what an argument's value is
//! called there is what its help calls it, and what is looked for here.

use clap::{Arg, Command};

/// Of what names are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Container,
    Image,
    /// Of all of them; without, of those that can be changed.
    Network {
        built_in: bool,
    },
    Volume,
    /// Of anything that can be inspected.
    Any,
}

/// What a value's name begins with, and what is meant.
const BY_VALUE: &[(&str, Kind)] = &[
    ("CONTAINER", Kind::Container),
    ("IMAGE", Kind::Image),
    ("NETWORK", Kind::Network { built_in: false }),
    ("VOLUME", Kind::Volume),
];

/// Arguments with another name for their value: of which command, and which.
const BY_COMMAND: &[(&str, &str, Kind)] = &[
    ("cp", "source", Kind::Container),
    ("cp", "destination", Kind::Container),
    ("images", "name", Kind::Image),
    ("inspect", "names", Kind::Any),
    ("ls", "name", Kind::Image),
    ("pull", "name", Kind::Image),
    ("push", "name", Kind::Image),
    ("tag", "name", Kind::Image),
    ("tag", "target", Kind::Image),
];

/// What is known about the word that is being typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Of what; `None`: nothing that has names here.
    pub kind: Option<Kind>,
    /// What of the word stands in front of the name, as `--network=`.
    pub front: String,
    /// Where everything is kept, if that was typed before.
    pub root: Option<String>,
    /// The same for sockets.
    pub run_root: Option<String>,
}

/// Reads the words behind the program's name, of which the last is being typed.
/// All of the command must be built.
pub fn wanted(command: &Command, words: &[String]) -> Wanted {
    let mut at = Place::new(command);
    let Some((last, before)) = words.split_last() else {
        return Wanted::default();
    };
    for word in before {
        at.pass(word);
    }
    at.last(last)
}

/// Where the words so far have led.
struct Place<'c> {
    command: &'c Command,
    /// How many arguments without a dash this command has been given.
    given: usize,
    /// The option whose value comes next.
    open: Option<&'c Arg>,
    /// `--` was there.
    literal: bool,
    found: Wanted,
}

impl<'c> Place<'c> {
    fn new(command: &'c Command) -> Self {
        Self {
            command,
            given: 0,
            open: None,
            literal: false,
            found: Wanted::default(),
        }
    }

    fn pass(&mut self, word: &str) {
        if let Some(option) = self.open.take() {
            self.note(option, word);
        } else if self.is_the_programs() {
        } else if !self.literal && word == "--" {
            self.literal = true;
        } else if let Some(long) = word.strip_prefix("--").filter(|_| !self.literal) {
            self.pass_long(long);
        } else if !self.literal && word.len() > 1 && word.starts_with('-') {
            self.pass_short(&word[1..]);
        } else if let Some(inner) = self.subcommand(word) {
            (self.command, self.given) = (inner, 0);
        } else {
            self.given += 1;
        }
    }

    fn pass_long(&mut self, text: &str) {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (self.long(name), value) {
            (Some(option), Some(value)) => self.note(option, value),
            (option, None) => self.open = option.filter(|o| takes_next(o)),
            (None, Some(_)) => {}
        }
    }

    /// `-it`, `-n5`, `-n 5`: what takes a value takes the rest, or the next.
    fn pass_short(&mut self, letters: &str) {
        for (n, letter) in letters.char_indices() {
            let mut all = self.command.get_arguments();
            let option = all.find(|a| a.get_short() == Some(letter));
            if let Some(option) = option.filter(|o| takes_next(o)) {
                let is_last = n + letter.len_utf8() == letters.len();
                self.open = is_last.then_some(option);
                return;
            }
        }
    }

    fn note(&mut self, option: &Arg, value: &str) {
        match option.get_id().as_str() {
            "root" => self.found.root = Some(value.to_owned()),
            "run_root" => self.found.run_root = Some(value.to_owned()),
            _ => {}
        }
    }

    /// Behind the image come the program's own words, whatever they look like.
    fn is_the_programs(&self) -> bool {
        let taken = self.given > 0;
        taken && self.positional().is_some_and(Arg::is_trailing_var_arg_set)
    }

    fn subcommand(&self, word: &str) -> Option<&'c Command> {
        let own = self.given == 0 && !self.literal;
        self.command.find_subcommand(word).filter(|_| own)
    }

    fn long(&self, name: &str) -> Option<&'c Arg> {
        self.command.get_arguments().find(|a| {
            let aliases = a.get_all_aliases().unwrap_or_default();
            a.get_long() == Some(name) || aliases.contains(&name)
        })
    }

    /// The argument without a dash that would come next. The last one may be
    /// many.
    fn positional(&self) -> Option<&'c Arg> {
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        let many = |a: &&&Arg| a.get_num_args().is_some_and(|n| n.max_values() > 1);
        let last = all.last().filter(many);
        all.get(self.given).or(last).copied()
    }

    fn last(mut self, word: &str) -> Wanted {
        let long = word.strip_prefix("--").and_then(|w| w.split_once('='));
        if let Some(option) = self.open {
            self.found.kind = self.kind(option);
        } else if self.is_the_programs() {
        } else if let Some((name, _)) = long.filter(|_| !self.literal) {
            self.found.kind = self.long(name).and_then(|option| self.kind(option));
            self.found.front = format!("--{name}=");
        } else if self.literal || !word.starts_with('-') {
            self.found.kind = self.positional().and_then(|a| self.kind(a));
        }
        self.found
    }

    fn kind(&self, arg: &Arg) -> Option<Kind> {
        let (command, id) = (self.command.get_name(), arg.get_id().as_str());
        let mut special = BY_COMMAND.iter();
        if let Some((.., kind)) = special.find(|(c, a, _)| (*c, *a) == (command, id)) {
            return Some(*kind);
        }
        let shown = arg.get_value_names().and_then(|names| names.first());
        let name = shown.map_or_else(|| id.to_uppercase(), ToString::to_string);
        let mut known = BY_VALUE.iter();
        let kind = known.find(|(front, _)| name.starts_with(front))?.1;
        // An option that names a network is for a container that is made.
        match kind {
            Kind::Network { .. } => Some(Kind::Network {
                built_in: !arg.is_positional() || command == "inspect",
            }),
            kind => Some(kind),
        }
    }
}

/// Whether the next word belongs to this option.
fn takes_next(option: &Arg) -> bool {
    let needs = |n: clap::builder::ValueRange| n.min_values() > 0;
    option.get_num_args().is_some_and(needs) && !option.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn at(line: &str) -> Wanted {
        let mut command = crate::cli::Cli::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        wanted(&command, &words)
    }

    const SETTABLE: Option<Kind> = Some(Kind::Network { built_in: false });
    const ALL: Option<Kind> = Some(Kind::Network { built_in: true });

    #[test]
    fn what_stands_where() {
        for (line, kind) in [
            ("run b", Some(Kind::Image)),
            ("run --rm -it ", Some(Kind::Image)),
            ("run --rm=true -itw /tmp --name web b", Some(Kind::Image)),
            ("run -v /a:/b -e A=1 --cpus 2 b", Some(Kind::Image)),
            ("run busybox b", None),
            ("run busybox ls --network b", None),
            ("run -d b", Some(Kind::Image)),
            ("run --name b", None),
            ("run --network b", ALL),
            ("run --net b", ALL),
            ("create --volumes-from b", Some(Kind::Container)),
            ("container run b", Some(Kind::Image)),
            ("rmi a b", Some(Kind::Image)),
            ("image rm b", Some(Kind::Image)),
            ("tag b", Some(Kind::Image)),
            ("tag a b", Some(Kind::Image)),
            ("push b", Some(Kind::Image)),
            ("save -o file b", Some(Kind::Image)),
            ("save -o b", None),
            ("history b", Some(Kind::Image)),
            ("network rm a b", SETTABLE),
            ("network inspect b", ALL),
            ("network connect b", SETTABLE),
            ("network connect --ip 10.0.0.1 a b", Some(Kind::Container)),
            ("network ls b", None),
            ("volume rm b", Some(Kind::Volume)),
            ("volume inspect b", Some(Kind::Volume)),
            ("volume create b", None),
            ("inspect b", Some(Kind::Any)),
            ("exec -it b", Some(Kind::Container)),
            ("exec web b", None),
            ("stop -t 5 a b", Some(Kind::Container)),
            ("logs --tail=5 b", Some(Kind::Container)),
            ("cp b", Some(Kind::Container)),
            ("rename b", Some(Kind::Container)),
            ("commit b", Some(Kind::Container)),
            ("stop -", None),
            ("stop -- -", Some(Kind::Container)),
            ("b", None),
            ("network b", None),
            ("", None),
        ] {
            let found = at(line);
            assert_eq!((found.kind, found.front.as_str()), (kind, ""), "{line:?}");
        }
    }

    #[test]
    fn what_stands_in_front_and_where_things_are_kept() {
        let found = at("--root /a/b run --run-root=/c --network=b");
        assert_eq!((found.kind, found.front.as_str()), (ALL, "--network="));
        assert_eq!(found.root.as_deref(), Some("/a/b"));
        assert_eq!(found.run_root.as_deref(), Some("/c"));
        assert_eq!(wanted(&Command::new("x"), &[]), Wanted::default());
    }
}
