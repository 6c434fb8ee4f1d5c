//! What a step is to do, with everything it needs: plain data, which a worker
//! carries out and from which the cache's key is made.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use super::context::Repository;
use super::files::Tree;
use super::files::mode::Mode;
use super::language::Sharing;
use crate::container::{self, NetworkMode, Resources, Ulimit};

/// What a step is to do.
#[derive(Debug)]
pub enum Work {
    /// Run a program.
    Run(Box<Run>),
    /// Bring files.
    Copy(Box<Copy>),
    /// Make a directory, if it is not there.
    Workdir(String, String),
    /// Fetch a file from the web.
    Fetch(Fetch),
}

/// A program that is run in a container.
#[derive(Debug)]
pub struct Run {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// `NAME=value`: the image's, and the arguments of the build.
    pub env: Vec<String>,
    /// As whom.
    pub user: String,
    /// Where.
    pub workdir: String,
    /// What is mounted for it.
    pub mounts: Vec<Mount>,
    /// A file with the program, as a here-document is one: name and text.
    pub script: Option<(String, String)>,
    /// Where its network is.
    pub network: NetworkMode,
    /// With all capabilities and no filter.
    pub insecure: bool,
    /// What all programs of this build get.
    pub limits: Limits,
}

/// What all programs of a build get.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Names in `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
    /// What they may use.
    pub resources: Resources,
    /// What each process may use.
    pub ulimits: Vec<Ulimit>,
    /// What they see of the host. No step's outcome is kept for what is in
    /// there: it is no part of the build.
    pub mounts: Vec<container::Mount>,
    /// Below which cgroup they are.
    pub cgroup_parent: Option<String>,
}

/// Something mounted for a program.
#[derive(Debug)]
pub struct Mount {
    /// Where, absolute.
    pub target: String,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug)]
pub enum MountKind {
    /// A part of a root.
    Bind {
        /// Which.
        origin: Origin,
        /// A path in it.
        path: String,
        /// What is written is thrown away.
        writable: bool,
        /// Only these files of it.
        chosen: Option<Chosen>,
    },
    /// A directory that stays from build to build.
    Cache {
        /// Its name in the store.
        name: String,
        /// Not to be written to.
        read_only: bool,
        /// What happens when two want it.
        sharing: Sharing,
        /// What it is first filled with, and a path in that.
        from: Option<(Origin, String)>,
        /// Mode, owner and group when it is made.
        made: (u32, u32, u32),
    },
    /// Memory.
    Tmpfs(Option<u64>),
    /// A file that is nowhere else.
    Secret {
        /// What is in it.
        bytes: Vec<u8>,
        /// Mode, owner and group.
        made: (u32, u32, u32),
    },
    /// The socket of an agent on the host.
    Agent(PathBuf),
}

/// Some files of a root.
#[derive(Debug)]
pub struct Chosen {
    /// Its top.
    pub root: Rc<OwnedFd>,
    /// Which.
    pub trees: Vec<Tree>,
}

/// Where files come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The context of the build, by its top.
    Context(Rc<OwnedFd>),
    /// The layers of a stage or an image, the uppermost first: names of
    /// directories beside the other layers.
    Layers(Vec<String>),
}

/// Files that are brought.
#[derive(Debug)]
pub struct Copy {
    /// From where.
    pub pieces: Vec<Piece>,
    /// To where: absolute.
    pub destination: Vec<u8>,
    /// The destination is a directory, even if it is not there.
    pub is_dir: bool,
    /// `user:group` in the image.
    pub owner: Option<String>,
    /// What modes become.
    pub mode: Option<Mode>,
    /// Without looking at what is below.
    pub link: bool,
}

/// Some of the files.
#[derive(Debug)]
pub enum Piece {
    /// Trees below a root.
    Trees(Rc<OwnedFd>, Vec<Tree>),
    /// A file with this content.
    Text(Tree, Vec<u8>),
    /// A file that was fetched.
    File(Tree, PathBuf),
    /// An archive, which is unpacked.
    Archive(Archive),
}

impl Piece {
    /// How many single files these are.
    pub fn files(&self) -> usize {
        match self {
            Self::Trees(_, trees) => trees.iter().filter(|tree| tree.is_file).count(),
            Self::Text(..) | Self::File(..) => 1,
            Self::Archive(_) => 0,
        }
    }
}

/// An archive that is unpacked.
#[derive(Debug)]
pub enum Archive {
    /// Below a root: the one file of this tree.
    Below(Rc<OwnedFd>, Tree),
    /// One that was fetched.
    Fetched(PathBuf),
}

/// A file in the web.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Where.
    pub url: String,
    /// The sum it must have.
    pub checksum: Option<crate::image::reference::Digest>,
    /// Where it is written to.
    pub path: PathBuf,
    /// It is a repository, of which all files are wanted.
    pub repository: Option<(Repository, bool)>,
}
