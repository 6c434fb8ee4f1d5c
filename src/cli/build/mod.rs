//! `build`: a Dockerfile becomes an image.

mod given;
mod live;
mod outputs;
mod plain;
mod quiet;
mod typed;

pub use typed::Build;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use super::image::wanted::not_here;
use super::image::{of, pull};
use crate::build::ask::{Ask, Pull};
use crate::build::builder::Builder;
use crate::build::context::Recipe;
use crate::build::files::find::{Filter, Verdict};
use crate::build::finish::{self, Described};
use crate::build::gather::Gatherer;
use crate::build::graph::Search;
use crate::build::ignore::{self, Ignore};
use crate::build::language::{self, Diagnostic, Dockerfile};
use crate::build::layer;
use crate::build::scope::Globals;
use crate::build::show::Show;
use crate::build::state::State;
use crate::build::trouble::Trouble;
use crate::build::undefined;
use crate::error::{Context, Error, Result};
use crate::image::platform::Platform;
use crate::image::reference::Reference;
use crate::image::{Image, Images, Kept, Stage, hello};
use crate::say;
use crate::store::Store;
use crate::sys::fd;
use given::Given;
use outputs::Output;
use typed::Progress;

/// `build`.
pub fn build(store: &Store, args: &Build) -> Result<ExitCode> {
    // Programs of the build could reach the keeper's binary.
    crate::run::protect_own_binary()?;
    let started = Instant::now();
    args.refuse()?;
    for path in args.iidfile.iter().chain(&args.metadata_file) {
        // What an earlier build has written is not this one's.
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(e).context(|| format!("cannot replace {}", path.display()));
            }
            _ => {}
        }
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        if parent.is_some_and(|parent| !parent.is_dir()) {
            return Err(
                Error::user(format!("{}: there is no such directory", path.display()))
                    .hint("make it first"),
            );
        }
    }
    let images = of(store);
    let stage = images.stage()?;
    let given = Given::take(args, stage.dir())?;
    let Recipe { name, text } = &given.recipe;
    let file = match language::parse(text) {
        Ok(file) => file,
        Err(e) => return Ok(wrong(name, text, &e)),
    };
    if args.only_checks() {
        let here = Platform::host();
        let all = Globals::new(&file, &args.args(), &here, &here, "default")
            .map(|globals| doubts(&images, &file, &globals));
        return Ok(match all {
            Ok(warnings) => checked(name, text, &warnings),
            Err(e) => wrong(name, text, &e),
        });
    }
    match make(&images, &stage, args, &given, &file) {
        Ok(Some(image)) => done(args, &image, &given, started),
        Ok(None) => written(args, started),
        Err(Trouble::At(e)) => Ok(wrong(name, text, &e)),
        Err(Trouble::Plain(e)) => Err(e),
    }
}

/// Something is wrong with a line of the Dockerfile.
fn wrong(name: &str, text: &str, e: &Diagnostic) -> ExitCode {
    say::error(e.render(name, text).trim_end());
    ExitCode::FAILURE
}

/// Nothing stands in the way of a build; what may be meant otherwise is told.
fn checked(name: &str, text: &str, warnings: &[Diagnostic]) -> ExitCode {
    for warning in warnings {
        say::warning(warning.render(name, text).trim_end());
    }
    if warnings.is_empty() {
        say::out(format_args!("{name}: nothing to say against it"));
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// What may be meant otherwise, in order. Nothing is fetched to find out: of an
/// image that is not here, nobody knows the variables.
fn doubts(images: &Images, file: &Dockerfile, globals: &Globals) -> Vec<Diagnostic> {
    // A file may have many stages on the same.
    let known = RefCell::new(BTreeMap::new());
    let find = |name: &str| {
        let config = images.find(name).ok()?.config.config;
        config.on_build.is_empty().then_some(config.env)
    };
    let base = |name: &str| {
        let mut known = known.borrow_mut();
        let env = known.entry(name.to_owned()).or_insert_with(|| find(name));
        env.clone()
    };
    let mut all = file.warnings.clone();
    all.extend(undefined::find(file, globals, &base));
    all.sort_by_key(|warning| warning.span.start);
    all
}

fn make(
    images: &Images,
    stage: &Stage,
    args: &Build,
    given: &Given,
    file: &Dockerfile,
) -> std::result::Result<Option<Described>, Trouble> {
    let outputs = args.outputs()?;
    let store = images.store();
    let quiet = args.quiet || args.progress == Progress::Quiet;
    let fetch = |reference: &Reference, platform: Option<&Platform>| {
        let platform = platform.map(ToString::to_string);
        pull::fetch(store, reference, platform.as_deref(), quiet).map(drop)
    };
    let ask = args.ask(given, &fetch)?;
    let target = match &ask.target {
        None => file.stages.len() - 1,
        Some(name) => file.target(name).ok_or_else(|| {
            Error::user(format!("--target {name}: there is no such stage")).hint(stages(file))
        })?,
    };
    let here = Platform::host();
    let there = ask.platform.clone().unwrap_or_else(Platform::host);
    let target_name = file.stages[target].alias.as_ref();
    let target_name = target_name.map_or("default", |alias| &alias.text);
    let globals = Globals::new(file, &ask.args, &here, &there, target_name)?;
    let search = Search {
        file,
        globals: &globals,
        platform: there,
        chosen: ask.platform.is_some(),
    };
    let graph = search.needed(target, &mut |name, platform| {
        bring(images, &ask, name, platform)
    })?;
    let ignored: &Filter<'_> =
        &|path, is_dir| verdict(given.context.ignore().verdict(path, is_dir));
    let gather = Gatherer::new(
        store,
        Rc::new(fd::duplicate(given.context.root())?),
        (ignored, !given.context.ignore().is_empty()),
        &exclude,
        (stage.dir().join("empty"), given.memo.clone()),
    );
    let mut show = show(args);
    for warning in doubts(images, file, &globals) {
        let warning = warning.into_error(&given.recipe.name);
        show.warn(&warning.to_string());
    }
    let mut builder = Builder::new(
        (store, images, stage),
        &ask,
        (file, &globals, &graph),
        gather,
        &mut *show,
    );
    let (built, kept) = builder.build(target);
    drop(builder);
    match built {
        Ok(state) => {
            drop(show);
            finished((images, stage), args, &ask, &outputs, &state, &kept)
        }
        Err(e) => {
            drop(show);
            if !kept.is_empty() {
                stage.keep(&kept)?;
            }
            Err(e)
        }
    }
}

/// What is done with the stage that was wanted. Where only its files are,
/// there is no image; and what is only written to an archive is not among the
/// images.
fn finished(
    (images, stage): (&Images, &Stage),
    args: &Build,
    ask: &Ask<'_>,
    outputs: &[Output],
    state: &State,
    kept: &[Kept],
) -> std::result::Result<Option<Described>, Trouble> {
    let of_files = |output: &&Output| output.is_of_files();
    if outputs.iter().any(outputs::Output::is_of_files) {
        let empty = stage.dir().join("empty");
        let root = layer::view(images.store(), &state.dirs(), &empty)?;
        for output in outputs.iter().filter(of_files) {
            output.write_files(&root, ask.epoch)?;
        }
    }
    let stays = args.keeps_image()?;
    let mut image = None;
    if stays || !outputs.iter().all(Output::is_of_files) {
        let described = finish::describe(stage, ask, state)?;
        if stays {
            finish::commit(images, stage, ask, &described, kept)?;
        }
        for output in outputs {
            output.write_image(stage, &described, &ask.names)?;
        }
        image = Some(described);
    }
    if !stays && !kept.is_empty() {
        stage.keep(kept)?;
    }
    Ok(image)
}

/// Tells what was written instead of an image.
fn written(args: &Build, started: Instant) -> Result<ExitCode> {
    let outputs = args.outputs()?;
    let shown: Vec<String> = outputs.iter().map(Output::shown).collect();
    if !args.quiet {
        let seconds = started.elapsed().as_secs_f64();
        say::err(format_args!("Wrote {} in {seconds:.1} s", shown.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

fn stages(file: &Dockerfile) -> String {
    let names = file.stages.iter().filter_map(|stage| stage.alias.as_ref());
    let names: Vec<&str> = names.map(|alias| alias.text.as_str()).collect();
    match names.as_slice() {
        [] => "none has a name; FROM … AS NAME gives one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    }
}

fn verdict(verdict: ignore::Verdict) -> Verdict {
    match verdict {
        ignore::Verdict::Keep => Verdict::Take,
        ignore::Verdict::Enter => Verdict::Look,
        ignore::Verdict::Drop => Verdict::Skip,
    }
}

/// What `--exclude` of a step leaves out.
fn exclude(patterns: &[String]) -> Result<Box<Filter<'static>>> {
    let rules = Ignore::new(patterns)?;
    Ok(Box::new(move |path, is_dir| {
        verdict(rules.verdict(path, is_dir))
    }))
}

fn show(args: &Build) -> Box<dyn Show> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let terminal = std::io::stderr().is_terminal() && !dumb;
    if args.quiet {
        return Box::new(quiet::Quiet::default());
    }
    match args.progress {
        Progress::Quiet => Box::new(quiet::Quiet::default()),
        Progress::Auto | Progress::Tty if terminal => Box::new(live::Live::new()),
        _ => Box::new(plain::Plain::default()),
    }
}

/// An image that a stage begins with or takes files from, unpacked.
fn bring(images: &Images, ask: &Ask<'_>, name: &str, platform: Option<&Platform>) -> Result<Image> {
    let built_in = platform.is_none() && hello::is_meant(name) && hello::ensure(images)?.is_some();
    let reference = Reference::parse(name).map(Reference::or_latest);
    let mut found = here(images, name, platform)?;
    let fetch = match ask.pull {
        Pull::Always => !built_in,
        Pull::Missing => found.is_none(),
        Pull::Never => false,
    };
    if fetch {
        let reference = reference?;
        (ask.fetch)(&reference, platform).map_err(|e| {
            if images.find(name).is_ok() {
                return e;
            }
            not_here(&reference.familiar(), e)
        })?;
        found = here(images, name, platform)?;
    }
    let image = found.ok_or_else(|| {
        Error::user(format!("No such image: {name}"))
            .hint("`rcon images` lists what is here; without --pull=never it would be fetched")
    })?;
    if image.is_unpacked() {
        return Ok(image);
    }
    images.unpack(&image)?;
    images.find(&image.id().to_string())
}

fn here(images: &Images, name: &str, platform: Option<&Platform>) -> Result<Option<Image>> {
    let image = match images.find(name) {
        Ok(image) => image,
        Err(e) if e.what().starts_with("No such image") => return Ok(None),
        Err(e) => return Err(e),
    };
    let is = image.config.platform();
    Ok(Some(image).filter(|_| platform.is_none_or(|wanted| wanted.fit(&is).is_some())))
}

/// What programs are told of an image, with the names that Docker's builder
/// has for it.
fn metadata(args: &Build, image: &Described) -> String {
    let names: Vec<String> = args.tag.iter().map(ToString::to_string).collect();
    let told = serde_json::json!({
        "containerimage.config.digest": image.id().to_string(),
        "containerimage.digest": image.target.digest.to_string(),
        "image.name": names.join(","),
    });
    format!("{told:#}\n")
}

/// Tells what was built.
fn done(args: &Build, image: &Described, given: &Given, started: Instant) -> Result<ExitCode> {
    let id = image.id().to_string();
    if let Some(path) = &args.iidfile {
        let path = given.directory.join(path);
        fs::write(&path, &id).context(|| format!("--iidfile {}", path.display()))?;
    }
    if let Some(path) = &args.metadata_file {
        let path = given.directory.join(path);
        let told = metadata(args, image);
        fs::write(&path, told).context(|| format!("--metadata-file {}", path.display()))?;
    }
    let tell = |text: &str| {
        if args.writes_to_stdout() {
            say::err(text);
        } else {
            say::out(text);
        }
    };
    if args.quiet {
        tell(&id);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.keeps_image()? {
        return written(args, started);
    }
    let names: Vec<String> = args.tag.iter().map(Reference::familiar).collect();
    let name = match names.as_slice() {
        [] => String::new(),
        names => format!("{} ", names.join(", ")),
    };
    let short = image.id().short();
    let seconds = started.elapsed().as_secs_f64();
    tell(&format!("Built {name}(sha256:{short}) in {seconds:.1} s"));
    Ok(ExitCode::SUCCESS)
}
