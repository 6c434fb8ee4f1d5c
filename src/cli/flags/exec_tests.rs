//! Whole command lines of `exec`.

use clap::{FromArgMatches, Parser};

use super::super::testing::{Here, Others, id, words};
use super::*;

#[derive(Debug, Parser)]
#[command(name = "exec")]
struct ExecLine {
    #[command(flatten)]
    exec: Exec,
}

fn exec(line: &str) -> Result<ExecRequest> {
    let here = Here::new();
    here.file("env", "B=2\n");
    let matches = <ExecLine as clap::CommandFactory>::command();
    let matches = matches.try_get_matches_from(["exec"].into_iter().chain(words(line)));
    let exec = ExecLine::from_arg_matches(&matches.unwrap()).unwrap().exec;
    exec.request(&here.surroundings(), &Others::default())
}

#[test]
fn a_further_program() {
    let r = exec("-it -eA=1 --env-file env -w /x -u 1 --privileged -d --detach-keys a web ls -l");
    let want = ExecRequest {
        container: id(),
        argv: vec!["ls".into(), "-l".into()],
        env: vec!["B=2".into(), "A=1".into()],
        workdir: Some("/x".into()),
        user: Some("1".into()),
        tty: true,
        interactive: true,
        privileged: true,
        detach: true,
        detach_keys: vec![b'a'],
    };
    assert_eq!(r.unwrap(), want);
    assert_eq!(exec("web sh").unwrap().detach_keys, [16, 17]);
    for (line, want) in [
        ("web", "no command specified"),
        ("db sh", "No such container: db"),
        ("--detach-keys ctrl-1 web sh", "--detach-keys"),
        ("-e= web sh", "--env: invalid"),
    ] {
        let e = exec(line).unwrap_err().to_string();
        assert!(e.contains(want), "{line}: {e}");
    }
}
