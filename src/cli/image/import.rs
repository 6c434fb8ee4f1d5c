//! `import`.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{note, of, platform};
use crate::archive::{Pack, pack, room_in};
use crate::cli::flags::parse;
use crate::cli::listing;
use crate::error::{Context, Error, Result};
use crate::image::config::History;
use crate::image::make::{self, New};
use crate::image::reference::Reference;
use crate::image::{instruction, opened};
use crate::store::Store;
use crate::sys::fd;

/// Bytes that are taken at once.
const BUFFER: usize = 256 << 10;

#[derive(Debug, clap::Args)]
pub struct Import {
    /// Set how it wants to be run, as `CMD ["/bin/sh"]`, ENV NAME=value or USER 1000; may be repeated
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// Why, for `history`
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    message: String,
    /// The kind of machine it is for, as linux/arm64 [default: this one's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse::platform::parse)]
    platform: Option<String>,
    /// A tar archive, a directory, or - for standard input
    #[arg(value_name = "SOURCE")]
    source: String,
    /// NAME or NAME:TAG
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// `import`.
pub fn import(store: &Store, args: &Import) -> Result<ExitCode> {
    let name = args.name.as_deref().map(Reference::parse).transpose()?;
    let name = name.map(Reference::or_latest);
    if name.as_ref().is_some_and(|n| n.digest().is_some()) {
        return Err(
            Error::user("a digest is found by making the image, and not chosen")
                .hint("name the image NAME:TAG"),
        );
    }
    let mut config = make::empty_config(platform(args.platform.as_deref())?);
    for change in &args.changes {
        instruction::apply(&mut config.config, change)?;
    }
    let source = Source::open(&args.source)?;
    let comment = match args.message.as_str() {
        "" => format!("imported from {}", args.source),
        text => text.to_owned(),
    };
    let step = History {
        created: Some(make::moment()?.to_string()),
        comment,
        ..History::default()
    };
    let new = New {
        base: None,
        config,
        step,
        names: name.as_slice(),
    };
    let image = new.make(&of(store), |out| source.copy(room_in(store.root())?, out))?;
    let id = image.id().to_string();
    note(store, "import", &id, &id);
    listing::print(&format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Where the files come from.
enum Source {
    Directory(std::os::fd::OwnedFd),
    Archive(Box<dyn Read>),
}

impl Source {
    fn open(text: &str) -> Result<Self> {
        if text == "-" {
            if io::stdin().is_terminal() {
                return Err(Error::user("an archive does not come from a terminal")
                    .hint("redirect one, or name a file"));
            }
            return Ok(Self::Archive(Box::new(io::stdin().lock())));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Err(Error::user("nothing is fetched from the web for an import")
                .hint("fetch it with curl, and check that it is what you expect"));
        }
        let path = Path::new(text);
        let named = || format!("cannot read {}", path.display());
        let file = File::open(path).context(named)?;
        if file.metadata().context(named)?.is_dir() {
            let dir = fd::open(path, libc::O_RDONLY | libc::O_DIRECTORY)?;
            return Ok(Self::Directory(dir));
        }
        Ok(Self::Archive(Box::new(file)))
    }

    /// Writes the plain archive, where there is so much room.
    fn copy(self, room: u64, out: &mut dyn Write) -> Result<()> {
        let what = || "cannot read the archive";
        match self {
            Self::Directory(dir) => {
                let options = Pack {
                    name: b".".to_vec(),
                    one_file_system: true,
                    room: Some(room),
                    ..Pack::default()
                };
                pack(&dir, b".", out, &options).map(drop)
            }
            Self::Archive(input) => {
                let packed = BufReader::with_capacity(BUFFER, input);
                let mut plain = opened(packed)?;
                let mut buffer = vec![0; BUFFER];
                loop {
                    match plain.read(&mut buffer) {
                        Ok(0) => return Ok(()),
                        Ok(n) => out.write_all(&buffer[..n])?,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e).context(what),
                    }
                }
            }
        }
    }
}
