//! `version`.

use std::fs;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cgroup::layout::Mode;
use crate::cgroup::ops;
use crate::cli::listing;
use crate::error::{Error, Result};
use crate::format::{Format, json_line};
use crate::oci;

#[derive(Debug, clap::Args)]
pub struct Version {
    /// Show only this: json, or a template as {{.Client.Version}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// `version`. There is no server; what scripts ask of Docker's is answered by
/// the one program there is.
pub fn version(args: &Version) -> Result<ExitCode> {
    let client = client();
    let text = match Format::parse(args.format.as_deref().unwrap_or_default())? {
        Format::Default => text(&client),
        Format::Json => json_line(&both(&client)) + "\n",
        Format::Template(template) => template.render(&both(&client))? + "\n",
        Format::Table(_) => {
            return Err(Error::user("version has no table").hint("leave out \"table\""));
        }
    };
    listing::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn both(client: &Value) -> Value {
    json!({"Client": client, "Server": client})
}

fn client() -> Value {
    json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "OciVersion": oci_version(),
        "KernelVersion": kernel(),
        "CgroupVersion": cgroup_version(),
        "Os": std::env::consts::OS,
        "Arch": arch(),
    })
}

fn text(client: &Value) -> String {
    let field = |name: &str| client[name].as_str().unwrap_or_default();
    format!(
        "Client:\n Version:           {}\n OCI runtime spec:  {}\n Kernel:            {}\n \
         Cgroup version:    {}\n OS/Arch:           {}/{}\n",
        field("Version"),
        field("OciVersion"),
        field("KernelVersion"),
        field("CgroupVersion"),
        field("Os"),
        field("Arch"),
    )
}

/// The newest runtime specification that is understood.
fn oci_version() -> &'static str {
    oci::SPEC_VERSION
}

/// As `uname -r` says.
pub fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease");
    text.unwrap_or_default().trim().to_owned()
}

/// `2` if everything is there, or else `1`, as Docker counts.
pub fn cgroup_version() -> &'static str {
    match ops::observe().map(|layout| layout.mode) {
        Ok(Mode::Unified) => "2",
        _ => "1",
    }
}

/// In Go's words, as in images' platforms.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
