//! The `rcon` command: parse, call the library, map the error to an exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let name = args
        .first()
        .map(|a| Path::new(a).file_name().unwrap_or_default().to_owned());
    // Shown inside a container under this name, it is the first process there.
    if name.as_deref().is_some_and(|n| n == "rcon-init") {
        return rcon::init::main(args);
    }
    // The program of the built-in image.
    if name.as_deref().is_some_and(|n| n == "hello") {
        return rcon::hello::main(args);
    }
    // Callers of runc are given a path and nothing else: the name decides.
    if name.is_some_and(|n| n == "rcon-oci" || n == "runc") {
        return rcon::oci::main(args);
    }
    if args.get(1).is_some_and(|a| a == "oci") {
        args.drain(..2);
        args.insert(0, "rcon oci".into());
        return rcon::oci::main(args);
    }
    rcon::cli::main(args)
}
