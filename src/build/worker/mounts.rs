//! `RUN --mount`.
//!
//! What is mounted is put together in a mount namespace of the worker's own,
//! in which the keeper starts the program: nothing of it is ever seen on the
//! host, and it is gone with the two, however they end. Secrets are in memory
//! there and nowhere else. A path in a context, a stage or an image is
//! resolved inside of that, and what was found is mounted itself, whatever
//! somebody puts in its place (CVE-2024-1753 and its kin).

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::Job;
use crate::build::caches;
use crate::build::files::Tree;
use crate::build::files::place::{Content, Destination, Placer};
use crate::build::layer;
use crate::build::work::{self, MountKind, Origin, Run};
use crate::container::{self, TmpfsOptions};
use crate::error::{Context, Error, Result};
use crate::plan::{Changes, Overlay};
use crate::store::{Lock, files};
use crate::sys::{fd, inside, mount, namespace};

/// Where a here-document with `#!` is seen.
const SCRIPTS: &str = "/dev/pipes";

/// What is mounted for one program.
pub(super) struct Mounts {
    /// As the container's record has it.
    pub all: Vec<container::Mount>,
    /// Caches that are in use.
    #[allow(dead_code, reason = "held, not looked at")]
    locks: Vec<Lock>,
    /// Directories to be removed when the program has ended.
    rubbish: Vec<PathBuf>,
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for path in &self.rubbish {
            // At the latest, it is gone with the build.
            let _ = files::remove_tree(path);
        }
    }
}

impl Mounts {
    /// Makes all of it.
    pub fn make(job: &Job<'_>, run: &Run) -> Result<Self> {
        let mut mounts = Self {
            all: Vec::new(),
            locks: Vec::new(),
            rubbish: Vec::new(),
        };
        if run.mounts.is_empty() && run.script.is_none() {
            return Ok(mounts);
        }
        let context = context_of(run)?;
        let mut maker = Maker {
            job,
            dir: private_place(job)?,
            count: 0,
            context: None,
            mounts: &mut mounts,
        };
        if let Some(tree) = context {
            maker.context = Some(maker.placed(&tree)?);
        }
        for mount in &run.mounts {
            maker
                .one(mount)
                .map_err(|e| e.context(format!("--mount at {}", mount.target)))?;
        }
        if let Some((name, text)) = &run.script {
            maker.script(name, text)?;
        }
        Ok(mounts)
    }

    /// What is executed: a script is where it is mounted.
    pub fn argv(run: &Run) -> Vec<String> {
        match &run.script {
            Some((name, _)) => vec![format!("{SCRIPTS}/{name}")],
            None => run.argv.clone(),
        }
    }
}

/// A copy of the context's mount, if it is needed. Once this process is in a
/// mount namespace of its own, the descriptor that it was given is of another.
fn context_of(run: &Run) -> Result<Option<OwnedFd>> {
    let mut roots = run.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind {
            origin: Origin::Context(root),
            chosen: None,
            ..
        } => Some(root),
        _ => None,
    });
    let root = roots.next();
    let tree = root.map(|root| mount::open_tree(root.as_ref(), Path::new(""), true));
    Ok(tree.transpose()?)
}

/// A directory that only this process and those it makes can see into.
fn private_place(job: &Job<'_>) -> Result<PathBuf> {
    namespace::unshare(libc::CLONE_NEWNS as u64)?;
    // What the host takes away goes here, too; what is made here stays here.
    let slave = libc::MS_REC | libc::MS_SLAVE;
    mount::mount(None, Path::new("/"), None, slave, None)?;
    let dir = job.path("-mounts");
    files::private_dir(&dir).context(|| "cannot make a place for mounts")?;
    let memory = mount::fsopen("tmpfs")?;
    mount::fsconfig(&memory, "mode", Some("0700"))?;
    mount::fscreate(&memory)?;
    let attrs = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let memory = mount::fsmount(&memory, attrs)?;
    mount::attach(&memory, fd::open(&dir, libc::O_PATH | libc::O_DIRECTORY)?)?;
    Ok(dir)
}

struct Maker<'a, 'b> {
    job: &'a Job<'b>,
    dir: PathBuf,
    count: usize,
    /// The context as it is mounted here.
    context: Option<OwnedFd>,
    mounts: &'a mut Mounts,
}

impl Maker<'_, '_> {
    fn one(&mut self, mount: &work::Mount) -> Result<()> {
        match &mount.kind {
            MountKind::Bind {
                origin,
                path,
                writable,
                chosen,
            } => {
                let source = match chosen {
                    Some(trees) => self.copied(trees, path)?,
                    None => self.source(origin, path, *writable)?,
                };
                self.bind(&source, &mount.target, !writable, &[])
            }
            MountKind::Cache {
                name,
                read_only,
                sharing,
                from,
                made,
            } => {
                let store = self.job.store;
                let (cache, lock) = caches::open(store, name, *sharing, &mut |cache| {
                    self.fill(cache, from.as_ref(), *made)
                })?;
                self.mounts.locks.push(lock);
                let source = fd::open(&cache, libc::O_PATH | libc::O_DIRECTORY)?;
                self.bind(&source, &mount.target, *read_only, &[])
            }
            MountKind::Tmpfs(size) => {
                self.mounts.all.push(container::Mount {
                    kind: container::MountKind::Tmpfs(TmpfsOptions {
                        size: *size,
                        mode: None,
                    }),
                    target: PathBuf::from(&mount.target),
                    read_only: false,
                    options: Vec::new(),
                });
                Ok(())
            }
            MountKind::Secret { bytes, made } => {
                let path = self.file(bytes, *made)?;
                self.add(path, &mount.target, true, &["nosuid", "nodev", "noexec"]);
                Ok(())
            }
            MountKind::Agent(socket) => {
                let source = fd::open(socket, libc::O_PATH)?;
                self.bind(&source, &mount.target, false, &[])
            }
        }
    }

    fn next(&mut self) -> PathBuf {
        self.count += 1;
        self.dir.join(self.count.to_string())
    }

    fn script(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.file(text.as_bytes(), (0o755, 0, 0))?;
        self.add(path, &format!("{SCRIPTS}/{name}"), true, &[]);
        Ok(())
    }

    /// A file in memory.
    fn file(&mut self, bytes: &[u8], (mode, uid, gid): (u32, u32, u32)) -> Result<PathBuf> {
        let path = self.next();
        let what = || "cannot keep a file in memory";
        let mut file = File::create_new(&path).context(what)?;
        file.write_all(bytes).context(what)?;
        chown(&path, Some(uid), Some(gid)).context(what)?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).context(what)?;
        Ok(path)
    }

    /// Mounts what a descriptor stands for.
    fn bind(
        &mut self,
        source: &OwnedFd,
        target: &str,
        read_only: bool,
        words: &[&str],
    ) -> Result<()> {
        let path = self.next();
        let is_dir = fd::stat(source)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
        let made = if is_dir {
            fs::create_dir(&path)
        } else {
            File::create_new(&path).map(drop)
        };
        made.context(|| "cannot make a place for a mount")?;
        let tree = mount::open_tree(source, Path::new(""), false)?;
        mount::attach(&tree, fd::open(&path, libc::O_PATH)?)?;
        self.add(path, target, read_only, words);
        Ok(())
    }

    fn add(&mut self, source: PathBuf, target: &str, read_only: bool, words: &[&str]) {
        self.mounts.all.push(container::Mount {
            kind: container::MountKind::Bind {
                source,
                create: false,
                recursive: false,
            },
            target: PathBuf::from(target),
            read_only,
            options: words.iter().map(|w| (*w).to_owned()).collect(),
        });
    }

    /// A path in a root, resolved inside of it.
    fn source(&mut self, origin: &Origin, path: &str, writable: bool) -> Result<OwnedFd> {
        let root = match (origin, writable) {
            (Origin::Context(_), writable) => {
                let context = self.context.as_ref();
                let context = context.ok_or_else(|| Error::internal("no context is mounted"))?;
                if writable {
                    self.over(vec![fd::proc_path(context)])?
                } else {
                    fd::duplicate(context)?
                }
            }
            (Origin::Layers(layers), false) => {
                let view = layer::view(self.job.store, layers, &self.job.path("-empty"))?;
                if layers.len() > 1 {
                    self.placed(&view)?
                } else {
                    view
                }
            }
            (Origin::Layers(layers), true) => {
                let layers = layers.iter().map(|name| self.job.store.layer(name));
                let layers = layers.collect();
                self.over(layers)?
            }
        };
        let relative = inside::relative(Path::new(path));
        fd::openat2(&root, relative, libc::O_PATH, 0, fd::IN_ROOT).map_err(|e| match e.errno {
            nix::errno::Errno::ENOENT => Error::user(format!("{path} is not there"))
                .hint("a source is seen from the top of what from= names, or of the context"),
            _ => e.into(),
        })
    }

    /// A place for a mount that has none: not every kernel can mount a part of
    /// such a one.
    fn placed(&mut self, view: &OwnedFd) -> Result<OwnedFd> {
        let path = self.next();
        fs::create_dir(&path).context(|| "cannot make a place for a mount")?;
        mount::attach(view, fd::open(&path, libc::O_PATH | libc::O_DIRECTORY)?)?;
        Ok(fd::open(&path, libc::O_PATH | libc::O_DIRECTORY)?)
    }

    /// The same with a layer on top that takes what is written, until the
    /// program has ended.
    fn over(&mut self, layers: Vec<PathBuf>) -> Result<OwnedFd> {
        let dir = self.scratch()?;
        let (upper, work) = (dir.join("upper"), dir.join("work"));
        for dir in [&upper, &work] {
            files::public_dir_all(dir).context(|| "cannot make a place for a mount")?;
        }
        let view = crate::run::mount_overlay(&Overlay {
            layers,
            changes: Some(Changes {
                upper,
                work,
                volatile: true,
            }),
            ..Overlay::default()
        })?;
        self.placed(&view)
    }

    /// A directory on the disk, until the program has ended.
    fn scratch(&mut self) -> Result<PathBuf> {
        self.count += 1;
        let dir = self.job.path(&format!("-scratch-{}", self.count));
        files::private_dir(&dir).context(|| "cannot make a place for a mount")?;
        self.mounts.rubbish.push(dir.clone());
        Ok(dir)
    }

    /// Those files of a root that are not left out, in a directory of their
    /// own.
    fn copied(&mut self, chosen: &work::Chosen, path: &str) -> Result<OwnedFd> {
        let dir = self.scratch()?;
        let top = fd::open(&dir, libc::O_RDONLY | libc::O_DIRECTORY)?;
        put_all(&top, &chosen.root, &chosen.trees)?;
        let name = match chosen.trees.first() {
            Some(tree) if tree.is_file => Path::new(path).file_name().map(PathBuf::from),
            _ => None,
        };
        let name = name.unwrap_or_else(|| PathBuf::from("."));
        Ok(fd::openat2(&top, &name, libc::O_PATH, 0, fd::NO_LINKS)?)
    }

    /// What a cache begins with.
    fn fill(
        &mut self,
        cache: &Path,
        from: Option<&(Origin, String)>,
        (mode, uid, gid): (u32, u32, u32),
    ) -> Result<()> {
        let what = || "cannot make a cache";
        let fresh = cache.with_extension("new");
        let _ = files::remove_tree(&fresh);
        files::private_dir(&fresh).context(what)?;
        if let Some((origin, path)) = from {
            let source = self.source(origin, path, false)?;
            let top = fd::open(&fresh, libc::O_RDONLY | libc::O_DIRECTORY)?;
            let everything: &crate::build::files::find::Filter<'_> =
                &|_, _| crate::build::files::find::Verdict::Take;
            let origin = crate::build::files::find::Origin {
                root: &source,
                ignored: everything,
                owner: None,
            };
            let manner = crate::build::files::find::Manner {
                parents: false,
                excluded: everything,
            };
            let trees = crate::build::files::find::find(&origin, ".", manner)?;
            put_all(&top, &source, &trees)?;
        }
        chown(&fresh, Some(uid), Some(gid)).context(what)?;
        fs::set_permissions(&fresh, Permissions::from_mode(mode)).context(what)?;
        fs::rename(&fresh, cache).context(what)
    }
}

/// Copies trees into an empty directory.
fn put_all(top: &OwnedFd, root: &OwnedFd, trees: &[Tree]) -> Result<()> {
    let destination = Destination {
        path: b"/".to_vec(),
        is_dir: true,
        owner: None,
        mode: None,
    };
    let mut placer = Placer::new(top, &destination);
    for tree in trees {
        placer.put(tree, &Content::Root(root))?;
    }
    Ok(())
}
