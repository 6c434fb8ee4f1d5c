//! The `rcon` command: parse, call the library, map the error to an exit code.

fn main() {}
