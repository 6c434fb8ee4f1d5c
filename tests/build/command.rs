//! The command line of `build`.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::common::json;
use crate::common::pty::under_pty;
use crate::site::Site;

const TEXT: &str = "FROM base\nCOPY f /f\nCMD [\"cat\", \"/f\"]\n";

#[test]
fn several_names_an_id_in_a_file_and_nothing_else_said() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    let output = site.build(TEXT, &["-q", "-t", "second:2", "--iidfile=id"]);
    let id = output.stdout.trim().to_owned();
    assert!(
        id.starts_with("sha256:") && output.stderr.is_empty(),
        "{output}"
    );
    assert_eq!(fs::read_to_string(site.bed.path("id")).unwrap(), id);
    assert_eq!(site.id(), id);
    let named = site.bed.rcon(&["image", "inspect", "second:2"]).ok().json();
    assert_eq!(named[0]["Id"], json!(id));
    let told = site.build(TEXT, &["-t", "second:2"]);
    assert!(
        told.stdout
            .starts_with("Built made:latest, second:2 (sha256:"),
        "{told}"
    );
    site.bed.says(&["image", "build", "-t", "third", "ctx"]);
    site.bed.says(&["builder", "build", "-t", "fourth", "ctx"]);
}

#[test]
fn the_dockerfile_can_be_elsewhere() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    fs::write(site.bed.path("Other.docker"), TEXT).unwrap();
    site.bed
        .says(&["build", "-t", "a", "-f", "Other.docker", "ctx"]);
    let stdin = site
        .bed
        .call(&["build", "-t", "b", "-f", "-", "ctx"])
        .stdin(TEXT);
    stdin.output().ok();
    assert_eq!(site.bed.says(&["run", "--rm", "b"]), "x");
    let missing = site.bed.rcon(&["build", "-f", "nothing", "ctx"]);
    missing.code(1).fails_naming(&["nothing"]);
    site.bed
        .rcon(&["build", "nowhere"])
        .code(1)
        .fails_naming(&["nowhere"]);
    site.bed
        .rcon(&["build", "ctx"])
        .code(1)
        .fails_naming(&["no Dockerfile"]);
}

#[test]
fn a_context_can_come_as_a_stream() {
    let Some(site) = Site::new() else { return };
    site.file("f", "streamed");
    site.file("Dockerfile", TEXT);
    let archive = site.bed.path("ctx.tgz");
    let ctx = site.path("");
    let done = Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(&ctx)
        .arg(".")
        .status();
    assert!(done.unwrap().success());
    let call = site.bed.call(&["build", "-t", "made", "-"]);
    call.with(|c| {
        c.stdin(fs::File::open(&archive).unwrap());
    })
    .output()
    .ok();
    assert_eq!(site.says(&[]), "streamed");
    let lone = site
        .bed
        .call(&["build", "-t", "made", "-"])
        .stdin("FROM base\nCMD echo lone\n");
    lone.output().ok();
    assert_eq!(site.says(&[]), "lone\n");
    let copies = site.bed.call(&["build", "-"]).stdin(TEXT).output();
    assert!(copies.stderr.contains("\"f\" not found"), "{copies}");
    site.assert_whole();
}

#[test]
fn results_go_where_they_are_wanted() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    let text = "FROM scratch\nCOPY --chown=3:4 --chmod=640 f /d/f\n";
    site.file("Dockerfile", text);
    let build = |args: &[&str]| site.bed.rcon(&[&["build"], args, &["ctx"]].concat()).ok();
    build(&["-o", "out"]);
    assert_eq!(fs::read_to_string(site.bed.path("out/d/f")).unwrap(), "x");
    build(&["--output=type=tar,dest=o.tar"]);
    let list = Command::new("tar")
        .args(["-tvf"])
        .arg(site.bed.path("o.tar"))
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(
        list.contains("-rw-r-----") && list.contains("d/f"),
        "{list}"
    );
    let images = site.bed.says(&["images", "-q"]);
    assert_eq!(images.lines().count(), 1, "files are no image: {images}");
    for kind in ["oci", "docker"] {
        let to = format!("type={kind},dest={kind}.tar");
        let ids = |ids: &str| fs::read_to_string(site.bed.path(ids)).unwrap();
        build(&["-t", "made", "--iidfile", "ids", "--output", &to]);
        // It is where it was wanted, and not among the images.
        site.bed.rcon(&["inspect", "made"]).code(1);
        assert_eq!(site.bed.says(&["images", "-q"]), images);
        site.bed.says(&["load", "-i", &format!("{kind}.tar")]);
        assert_eq!(site.id(), ids("ids"));
        site.bed.says(&["rmi", "made"]);
        build(&["-t", "made", "--load", "--output", &to]);
        site.bed.says(&["rmi", "made"]);
    }
    build(&[
        "-t",
        "made",
        "-o",
        "type=image",
        "-o",
        "type=oci,dest=oci.tar",
    ]);
    site.bed.says(&["rmi", "made"]);
    site.bed
        .rcon(&["build", "-o", "type=zip", "ctx"])
        .code(1)
        .fails_naming(&["type=zip"]);
    site.assert_whole();
}

#[test]
fn what_docker_knew_is_taken_or_refused() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    site.build(
        TEXT,
        &[
            "--rm",
            "--force-rm=false",
            "--compress",
            "--load",
            "--progress=plain",
        ],
    );
    for (flag, word) in [
        ("--squash", "a second stage"),
        ("--push", "rcon push"),
        ("--cache-to=x", "--cache-to"),
        ("--builder=other", "one builder"),
        ("--security-opt=seccomp=unconfined", "--security-opt"),
        ("--build-context=a=b", "--build-context"),
        ("--allow=everything", "everything"),
        ("--network=container:x", "container"),
        ("--pull=sometimes", "sometimes"),
        ("--secret=src=", "secret"),
    ] {
        let args = ["build", flag, "ctx"];
        site.bed.rcon(&args).code(1).fails_naming(&[word]);
    }
    let args = ["build", "--tag=UPPER", "ctx"];
    site.bed.rcon(&args).code(125).fails_naming(&["UPPER"]);
}

#[test]
fn mistakes_are_told_with_line_and_column() {
    let Some(site) = Site::new() else { return };
    site.fails(
        "FROM base\nRNU ls\n",
        &[],
        &["Dockerfile:2:1", "RNU", "did you mean RUN?"],
    );
    site.fails("RUN ls\n", &[], &["Dockerfile:1:1"]);
    site.fails(
        "FROM base\nCOPY --from=later / /\nFROM base AS later\n",
        &[],
        &["Dockerfile:2:13"],
    );
    site.fails(
        "FROM base\nEXPOSE 70000\n",
        &[],
        &["Dockerfile:2:8", "70000"],
    );
}

#[test]
fn on_a_terminal_one_sees_what_is_at_work() {
    let Some(site) = Site::new() else { return };
    let text =
        "FROM base\nRUN echo said; sleep 0.5; echo red >/f\nRUN echo \"$(printf '\\033[31m')x\"\n";
    let call = site.call(text, &[]).env("TERM", "xterm");
    let mut p = under_pty(call, 24, 80);
    let seen = p.terminal.wait_for("   said").to_owned();
    assert!(seen.contains("[2/3] RUN echo said"), "{seen:?}");
    let seen = p.terminal.wait_for("Built made:latest").to_owned();
    assert!(seen.contains("\x1b["), "{seen:?}");
    p.running.wait().ok();
    let again = under_pty(site.call(text, &[]).env("TERM", "xterm"), 24, 80);
    let mut again = again;
    let seen = again.terminal.wait_for("Built made:latest").to_owned();
    assert_eq!(seen.matches("CACHED").count(), 2, "{seen:?}");
    again.running.wait().ok();
    // What a program said before it failed stays on the screen.
    let failing = site
        .call("FROM base\nRUN echo before; exit 3\n", &[])
        .env("TERM", "xterm");
    let mut failing = under_pty(failing, 24, 80);
    let seen = failing.terminal.wait_for("exit code 3").to_owned();
    assert!(
        seen.contains("FAILED") && seen.contains(" | before"),
        "{seen:?}"
    );
    failing.running.wait().code(1);
}

#[test]
fn what_was_built_is_told_in_files_and_an_old_answer_goes() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    let flags = [
        "--iidfile=id",
        "--metadata-file=told.json",
        "--no-cache=true",
    ];
    site.build(TEXT, &flags);
    let told = fs::read_to_string(site.bed.path("told.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["containerimage.config.digest"], json!(site.id()));
    assert_eq!(told["image.name"], json!("made:latest"));
    site.fails("FROM base\nRUN false\n", &flags, &["exit code 1"]);
    assert!(!site.bed.path("id").exists() && !site.bed.path("told.json").exists());
    site.fails(TEXT, &["--iidfile=no/such/id"], &["no such directory"]);
}

#[test]
fn a_dockerfile_is_only_read() {
    let Some(site) = Site::new() else { return };
    let odd = "FROM no-such-image\nWORKDIR /app # here\nCMD ['a', 'b']\n";
    let output = site.fails(
        odd,
        &["--check"],
        &["Dockerfile:2:14", "a line of its own", "Dockerfile:3:5"],
    );
    assert!(!output.stderr.contains("FROM"), "{output}");
    site.build("FROM no-such-image\n", &["--call=check"]);
    let told = site.build("FROM base\nWORKDIR /app # here\n", &[]);
    assert!(told.stderr.contains("warning: Dockerfile:2:14"), "{told}");
}

#[test]
fn what_is_hardly_meant_so_is_told_by_a_check() {
    let Some(site) = Site::new() else { return };
    let odd = "FROM base\nMAINTAINER me\nENV a b\nWORKDIR app\nCOPY $NOPE/f $a /x/\n\
               CMD [echo, hi]\nCMD true\nLABEL p=$PATH\n";
    let said = site.fails(odd, &["--check"], &[]).stderr;
    let places = said.lines().filter(|l| l.contains("Dockerfile:"));
    let places: Vec<_> = places
        .map(|l| l.split("Dockerfile:").nth(1).unwrap())
        .map(|l| l.split(':').next().unwrap())
        .collect();
    assert_eq!(places, ["2", "3", "4", "5", "6", "6"], "{said}");
    assert!(
        said.contains("Dockerfile:5:6: $NOPE is empty here"),
        "{said}"
    );
    site.file("f", "1");
    let told = site.build(&odd.replace(" $a", ""), &[]);
    assert!(told.stderr.contains("warning: Dockerfile:5:6"), "{told}");
    // Of an image that is not here, nobody knows.
    let text = "FROM no-such-image\nWORKDIR $GOPATH\n";
    site.build(text, &["--check"]);
    let text = "FROM base:$V\n";
    let said = site.fails(text, &["--check", "--build-arg=V=1"], &[]);
    assert!(said.stderr.contains("$V is empty here"), "{said}");
    site.build("ARG V\nFROM base:$V\nARG V\nLABEL v=$V\n", &["--check"]);
}

#[test]
fn what_podman_calls_a_context_is_one() {
    let Some(site) = Site::new() else { return };
    site.file("secret", "x");
    site.file("open", "x");
    site.file(".containerignore", "secret\n");
    site.file(".dockerignore", "open\n");
    site.build("FROM base\nCOPY . /d\n", &[]);
    assert_eq!(site.sh("ls /d"), "Dockerfile\nopen\n");
    fs::remove_file(site.path("Dockerfile")).unwrap();
    symlink("../elsewhere", site.path("Dockerfile")).unwrap();
    let output = site.bed.rcon(&["build", "ctx"]).code(1);
    output.fails_naming(&["Dockerfile is a link that leads out"]);
}
