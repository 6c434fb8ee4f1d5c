//! The files that steps take from the context, from stages and from images:
//! where they are, which are meant, and their sum.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use super::files::find::{self, Filter, Manner, Verdict};
use super::files::sum::{self, Memo, field};
use super::files::{self, Tree};
use super::layer;
use super::work::Origin;
use crate::error::{Error, Result};
use crate::image::reference::{Algorithm, Digest, Hasher};
use crate::store::Store;

/// A root that files are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The context of the build.
    Context,
    /// A directory of the build's own.
    Folder(PathBuf),
    /// These layers, the uppermost first, and the sum that stands for them.
    Layers(Vec<String>, String),
}

/// Which files of a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which<'a> {
    /// A path or a pattern.
    pub path: &'a str,
    /// The directories above come along.
    pub parents: bool,
    /// Patterns of what is left out.
    pub exclude: &'a [String],
}

/// Finds and sums files.
pub struct Gatherer<'a> {
    store: &'a Store,
    context: Rc<OwnedFd>,
    ignored: &'a Filter<'a>,
    /// The `.dockerignore` leaves something out.
    choosy: bool,
    exclude: &'a Exclude<'a>,
    empty: PathBuf,
    memo: Memo,
    memo_name: String,
    views: HashMap<Vec<String>, Rc<OwnedFd>>,
}

/// Makes a filter of patterns.
pub type Exclude<'a> = dyn Fn(&[String]) -> Result<Box<Filter<'static>>> + 'a;

impl<'a> Gatherer<'a> {
    /// For a build with this context.
    pub fn new(
        store: &'a Store,
        context: Rc<OwnedFd>,
        (ignored, choosy): (&'a Filter<'a>, bool),
        exclude: &'a Exclude<'a>,
        (empty, memo_name): (PathBuf, String),
    ) -> Self {
        Self {
            store,
            context,
            ignored,
            choosy,
            exclude,
            empty,
            memo: Memo::load(&store.build().join("sums").join(&memo_name)),
            memo_name,
            views: HashMap::new(),
        }
    }

    /// Whether something of the context is left out.
    pub fn is_choosy(&self) -> bool {
        self.choosy
    }

    /// Remembers what was read.
    pub fn save(&self) {
        let dir = self.store.build().join("sums");
        self.memo.save(&dir, &self.memo_name);
    }

    /// The top of a place.
    pub fn root(&mut self, place: &Place) -> Result<Rc<OwnedFd>> {
        let dirs = match place {
            Place::Context => return Ok(self.context.clone()),
            Place::Folder(path) => {
                let flags = libc::O_RDONLY | libc::O_DIRECTORY;
                return Ok(Rc::new(crate::sys::fd::open(path, flags)?));
            }
            Place::Layers(dirs, _) => dirs,
        };
        if let Some(view) = self.views.get(dirs) {
            return Ok(view.clone());
        }
        let view = Rc::new(layer::view(self.store, dirs, &self.empty)?);
        self.views.insert(dirs.clone(), view.clone());
        Ok(view)
    }

    /// The same, for a worker.
    pub fn origin(&self, place: &Place) -> Origin {
        match place {
            Place::Context | Place::Folder(_) => Origin::Context(self.context.clone()),
            Place::Layers(dirs, _) => Origin::Layers(dirs.clone()),
        }
    }

    /// The files that are meant.
    pub fn trees(&mut self, place: &Place, which: &Which<'_>) -> Result<Vec<Tree>> {
        let root = self.root(place)?;
        let all: &Filter<'_> = &|_, _| Verdict::Take;
        let (ignored, owner) = match place {
            Place::Context => (self.ignored, Some((0, 0))),
            Place::Folder(_) => (all, Some((0, 0))),
            Place::Layers(..) => (all, None),
        };
        let origin = find::Origin {
            root: &root,
            ignored,
            owner,
        };
        let excluded;
        let excluded: &Filter<'_> = if which.exclude.is_empty() {
            all
        } else {
            excluded = (self.exclude)(which.exclude)?;
            &*excluded
        };
        let manner = Manner {
            parents: which.parents,
            excluded,
        };
        find::find(&origin, which.path, manner)
    }

    /// The sum of the files that are meant, and they, if they were looked at:
    /// what is in a stage or an image is always the same.
    pub fn sum(&mut self, place: &Place, which: &Which<'_>) -> Result<(String, Option<Vec<Tree>>)> {
        let known = match place {
            Place::Context | Place::Folder(_) => None,
            Place::Layers(_, chain) => Some(key(chain, which)),
        };
        if let Some(sum) = known.as_ref().and_then(|key| self.memo.known_tree(key)) {
            return Ok((sum, None));
        }
        let trees = self.trees(place, which)?;
        let root = self.root(place)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for tree in &trees {
            sum::add(&root, tree, &mut self.memo, &mut hasher)?;
        }
        let sum = hasher.finish();
        // Of none at all it is to be said each time that there are none.
        if let Some(key) = known.filter(|_| !trees.is_empty()) {
            self.memo.remember_tree(&key, &sum);
        }
        Ok((sum.hex().to_owned(), Some(trees)))
    }

    /// Whether a tree is an archive that `ADD` unpacks.
    pub fn is_archive(&mut self, place: &Place, tree: &Tree) -> Result<bool> {
        let root = self.root(place)?;
        match tree.nodes.first() {
            Some(node) if tree.is_file && node.entry.kind == crate::archive::Kind::File => {
                let name = String::from_utf8_lossy(&tree.name).into_owned();
                files::archive::is_one(sum::open(&root, node)?).map_err(|e: Error| e.context(name))
            }
            _ => Ok(false),
        }
    }
}

fn key(chain: &str, which: &Which<'_>) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for text in [chain, which.path, if which.parents { "p" } else { "" }] {
        field(&mut hasher, text.as_bytes());
    }
    for text in which.exclude {
        field(&mut hasher, text.as_bytes());
    }
    hasher.finish()
}
