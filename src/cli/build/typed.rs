//! What is typed behind `build`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;

use super::given::Given;
use super::outputs::Output;
use crate::build::ask::{Ask, Fetch, Pull};
use crate::build::work::Limits;
use crate::cli::flags::parse;
use crate::cli::image::platform;
use crate::container::{Mount, MountKind, NetworkMode, Resources, Ulimit};
use crate::error::{Context, Error, Result};
use crate::image::reference::Reference;
use crate::say;

/// What an image that is to be built may be called.
fn tag(text: &str) -> Result<Reference> {
    let name = Reference::parse(text)?;
    if name.digest().is_some() {
        return Err(
            Error::user("a digest is found by building the image, and not chosen")
                .hint("name the image NAME:TAG"),
        );
    }
    Ok(name.or_latest())
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Live on a terminal, lines elsewhere.
    Auto,
    /// Lines.
    Plain,
    /// Live.
    Tty,
    /// Nothing but errors.
    #[value(alias = "none")]
    Quiet,
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub struct Build {
    /// What to call the image, NAME or NAME:TAG; may be repeated
    #[arg(short, long, value_name = "NAME", value_parser = tag)]
    pub tag: Vec<Reference>,
    /// The Dockerfile, or - for standard input [default: Dockerfile, or Containerfile, in the context]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// Give an ARG a value; NAME alone takes it from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    args: Vec<String>,
    /// Build this stage and those it needs, and no more [default: the last]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Take nothing from the cache
    #[arg(long)]
    no_cache: bool,
    /// Take nothing from the cache in these stages
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Fetch base images: always, missing or never [default: missing; --pull alone: always]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pull: Option<String>,
    /// A label for the image
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::pair::label)]
    label: Vec<(String, String)>,
    /// A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME
    #[arg(long, value_name = "id=ID,src=FILE")]
    secret: Vec<String>,
    /// An SSH agent for RUN --mount=type=ssh: default or ID=SOCKET
    #[arg(long, value_name = "default|ID[=SOCKET]")]
    ssh: Vec<String>,
    /// The network of programs: default, none, host, or a network's name
    #[arg(long, value_name = "NETWORK", default_value = "default")]
    network: String,
    /// Let the Dockerfile have more: network.host or security.insecure
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    allow: Vec<String>,
    /// The kind of machine it is for, as linux/arm64 [default: this one's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse::platform::parse)]
    platform: Option<String>,
    /// How to show progress: auto, plain, tty or quiet
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub progress: Progress,
    /// Write the image's id into a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write the image's digests and names into a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Build nothing: read the Dockerfile, and tell what may be meant otherwise
    #[arg(long)]
    check: bool,
    /// Print only the image's id
    #[arg(short, long)]
    pub quiet: bool,
    /// Write the result: DIR, type=local,dest=DIR, type=tar,dest=FILE, type=oci,dest=FILE or type=docker,dest=FILE; - is standard output
    #[arg(short, long, value_name = "WHERE")]
    pub output: Vec<String>,
    /// Put a name into /etc/hosts of programs
    #[arg(long, value_name = "NAME:IP", value_parser = parse::host::extra)]
    add_host: Vec<(String, String)>,
    /// Show a directory or file of the host to programs, as podman does; the image has none of it
    #[arg(short, long, value_name = "SOURCE:TARGET[:OPTIONS]", value_parser = parse::volume::parse)]
    volume: Vec<Mount>,
    /// How much /dev/shm of programs can hold
    #[arg(long, value_name = "SIZE", value_parser = parse::units::size)]
    shm_size: Option<i64>,
    /// What each process may use, as nofile=1024:2048
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = parse::ulimit::parse)]
    ulimit: Vec<Ulimit>,
    /// How much memory each program may use
    #[arg(short, long, value_name = "SIZE", value_parser = parse::units::size)]
    memory: Option<i64>,
    /// Memory and swap together, -1 for as much swap as there is
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true, value_parser = parse::units::size_or_unlimited)]
    memory_swap: Option<i64>,
    /// Their share when processors are short
    #[arg(short, long, value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// The period a quota is for, in microseconds
    #[arg(long, value_name = "USECS")]
    cpu_period: Option<u64>,
    /// Processor time in each period, in microseconds
    #[arg(long, value_name = "USECS", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// The processors they may run on, as 0-2,7
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// The memory nodes they may use, as 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Make their cgroups below this one
    #[arg(long, value_name = "CGROUP")]
    cgroup_parent: Option<String>,
    // What Docker's older builder knew, or what only its daemon can do.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_rm: Option<String>,
    #[arg(long, hide = true)]
    compress: bool,
    #[arg(long, hide = true)]
    squash: bool,
    #[arg(long, hide = true, value_name = "OPTION")]
    security_opt: Vec<String>,
    #[arg(long, hide = true, value_name = "IMAGE")]
    cache_from: Vec<String>,
    #[arg(long, hide = true, value_name = "WHERE")]
    cache_to: Vec<String>,
    #[arg(long, hide = true)]
    load: bool,
    #[arg(long, hide = true)]
    push: bool,
    #[arg(long = "build-context", hide = true, value_name = "NAME=VALUE")]
    contexts: Vec<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    builder: Option<String>,
    #[arg(long, hide = true, value_name = "MODE")]
    isolation: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    disable_content_trust: Option<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    provenance: Option<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    sbom: Option<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    attest: Vec<String>,
    #[arg(long, hide = true, value_name = "VALUE")]
    annotation: Vec<String>,
    #[arg(long, hide = true, value_name = "METHOD")]
    call: Option<String>,
    /// The files that the build may copy: a directory, the address of a git repository or an archive, or - for an archive on standard input
    #[arg(value_name = "CONTEXT")]
    pub context: String,
}

impl Build {
    /// What rcon does not do is not passed over in silence.
    pub fn refuse(&self) -> Result<()> {
        let absent = |what: &str, hint: &str| Err(Error::user(what).hint(hint.to_owned()));
        if self.squash {
            return absent(
                "--squash: layers are not put together",
                "a second stage that copies what counts makes one layer of it",
            );
        }
        if self.push {
            return absent(
                "--push: a build does not push",
                "`rcon push NAME` does, after it",
            );
        }
        if !self.contexts.is_empty() {
            return absent(
                "--build-context: there are no further contexts",
                "a stage or an image can be copied from, with COPY --from",
            );
        }
        if !self.cache_to.is_empty() {
            return absent(
                "--cache-to: the cache is not kept elsewhere",
                "the cache of this machine is used without being asked for",
            );
        }
        if !self.cache_from.is_empty() {
            say::warning("--cache-from has no effect: only this machine's own cache is used");
        }
        if self
            .builder
            .as_deref()
            .is_some_and(|name| name != "default")
        {
            return absent("--builder: there is one builder only", "leave it out");
        }
        if !self.security_opt.is_empty() {
            return absent(
                "--security-opt: programs of a build run as confined as every container",
                "RUN --security=insecure with --allow security.insecure gives up all of it",
            );
        }
        if self.isolation.as_deref().is_some_and(|i| i != "default") {
            return absent("--isolation: there is one kind only", "leave it out");
        }
        let off = |value: &Option<String>| {
            let value = value.as_deref();
            value.is_none_or(|v| v == "false")
        };
        if !off(&self.provenance) || !off(&self.sbom) || !self.attest.is_empty() {
            return absent(
                "--provenance, --sbom and --attest: rcon does not attest",
                "leave them out",
            );
        }
        if !self.annotation.is_empty() {
            return absent(
                "--annotation: images have labels only",
                "--label KEY=VALUE is kept in the image itself",
            );
        }
        match self.call.as_deref() {
            None | Some("build" | "check") => Ok(()),
            Some(method) => absent(
                &format!("--call {method}: there is no such method"),
                "build or check",
            ),
        }
    }

    /// Whether the Dockerfile is only to be read, and nothing to be built.
    pub fn only_checks(&self) -> bool {
        self.check || self.call.as_deref() == Some("check")
    }

    /// Where the result goes.
    pub fn outputs(&self) -> Result<Vec<Output>> {
        let outputs = self.output.iter().map(|text| Output::parse(text));
        let outputs: Vec<Output> = outputs.collect::<Result<_>>()?;
        outputs.iter().try_for_each(Output::check)?;
        Ok(outputs)
    }

    /// Whether the result goes to standard output.
    pub fn writes_to_stdout(&self) -> bool {
        let outputs = self.output.iter().map(|text| Output::parse(text));
        outputs.flatten().any(|output| output.is_to_stdout())
    }

    /// Whether the image is to be among the others: also `type=docker` and
    /// `type=oci` only write it somewhere.
    pub fn keeps_image(&self) -> Result<bool> {
        let outputs = self.outputs()?;
        Ok(self.load || outputs.is_empty() || outputs.iter().any(Output::is_of_store))
    }

    /// What is wanted of the build.
    pub fn ask<'a>(&self, given: &Given, fetch: &'a Fetch<'a>) -> Result<Ask<'a>> {
        let args = self.args();
        let epoch = args.get("SOURCE_DATE_EPOCH").map(|text| {
            let seconds = text.trim().parse().ok().filter(|s: &i64| *s >= 0);
            seconds.ok_or_else(|| {
                Error::user(format!("SOURCE_DATE_EPOCH is {text:?}"))
                    .hint("a number of seconds since 1970")
            })
        });
        let allow_host = self.allowed("network.host")?;
        let platform = platform(self.platform.as_deref())?;
        Ok(Ask {
            args,
            target: self.target.clone().filter(|t| !t.is_empty()),
            no_cache: self.no_cache,
            no_cache_in: self.no_cache_filter.iter().cloned().collect(),
            pull: self.when()?,
            fetch,
            labels: self.label.clone(),
            secrets: given.secrets(&self.secret)?,
            agents: given.agents(&self.ssh)?,
            network: network(&self.network)?,
            allow_host,
            allow_insecure: self.allowed("security.insecure")?,
            platform,
            limits: self.limits()?,
            epoch: epoch.transpose()?,
            names: self.tag.clone(),
        })
    }

    fn allowed(&self, entitlement: &str) -> Result<bool> {
        const KNOWN: [&str; 2] = ["network.host", "security.insecure"];
        if let Some(odd) = self.allow.iter().find(|a| !KNOWN.contains(&a.as_str())) {
            return Err(
                Error::user(format!("--allow {odd}: there is no such thing"))
                    .hint("network.host and security.insecure can be allowed"),
            );
        }
        Ok(self.allow.iter().any(|a| a == entitlement))
    }

    /// A name alone takes its value from the environment, or is not given.
    pub fn args(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        // For programs that make files, too, if the Dockerfile asks for it.
        all.extend(std::env::var("SOURCE_DATE_EPOCH").map(|v| ("SOURCE_DATE_EPOCH".to_owned(), v)));
        for text in &self.args {
            match text.split_once('=') {
                Some((name, value)) => drop(all.insert(name.to_owned(), value.to_owned())),
                None => all.extend(std::env::var(text).map(|value| (text.clone(), value))),
            }
        }
        all
    }

    fn when(&self) -> Result<Pull> {
        match self.pull.as_deref() {
            None | Some("missing" | "false" | "ifmissing") => Ok(Pull::Missing),
            Some("always" | "true" | "ifnewer" | "newer") => Ok(Pull::Always),
            Some("never") => Ok(Pull::Never),
            Some(other) => Err(Error::user(format!("--pull={other}: no such choice"))
                .hint("always, missing or never")),
        }
    }

    /// What programs see of the host: its files and directories, and no more.
    fn mounts(&self) -> Result<Vec<Mount>> {
        let here = std::env::current_dir().context(|| "cannot find the current directory")?;
        let found = |mount: &Mount| {
            let mut mount = mount.clone();
            let target = mount.target.display();
            let MountKind::Bind { source, create, .. } = &mut mount.kind else {
                let what = format!("-v {target}: a build has no volumes");
                let hint = "name a path of the host, or write RUN --mount=type=cache";
                return Err(Error::user(what).hint(hint));
            };
            *source = here.join(&*source);
            // What a build is to see is there.
            *create = false;
            if !source.exists() {
                return Err(Error::user(format!(
                    "-v {}: no such path",
                    source.display()
                )));
            }
            Ok(mount)
        };
        self.volume.iter().map(found).collect()
    }

    fn limits(&self) -> Result<Limits> {
        let given = |value: Option<i64>| value.filter(|v| *v != 0);
        let list = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        Ok(Limits {
            hosts: self.add_host.clone(),
            resources: Resources {
                memory: given(self.memory),
                memory_swap: given(self.memory_swap),
                cpu_shares: self.cpu_shares.filter(|n| *n > 0),
                cpu_period: self.cpu_period.filter(|n| *n > 0),
                cpu_quota: given(self.cpu_quota),
                cpuset_cpus: list(&self.cpuset_cpus),
                cpuset_mems: list(&self.cpuset_mems),
                shm_size: given(self.shm_size).map(|n| n as u64),
                ..Resources::default()
            },
            mounts: self.mounts()?,
            ulimits: self.ulimit.clone(),
            cgroup_parent: list(&self.cgroup_parent),
        })
    }
}

fn network(text: &str) -> Result<NetworkMode> {
    match text {
        "default" | "bridge" | "" => Ok(NetworkMode::Default),
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        name if name.starts_with("container:") => Err(Error::user(format!(
            "--network {name}: a build has no use for a container's network"
        ))
        .hint("default, none, host, or a network's name")),
        name => {
            let one = parse::network::parse(name).context(|| "--network")?;
            Ok(NetworkMode::Named(vec![one.name]))
        }
    }
}
