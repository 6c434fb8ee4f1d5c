//! How the image wants to be run, and what its history says.

use crate::common::json;
use crate::site::Site;

const ALL: &str = r#"FROM base
MAINTAINER somebody
ENV A=1 B="two words"
ENV C $A-and-more
LABEL x=y "z z"=$A
EXPOSE 80 53/udp 3000-3001
VOLUME /data ["/x y"]
WORKDIR /a
WORKDIR b
USER 1000:50
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --retries=3 CMD echo well
ENTRYPOINT ["echo", "hello"]
CMD world
"#;

#[test]
fn the_configuration_says_what_the_file_says() {
    let Some(site) = Site::new() else { return };
    site.build(&ALL.replace(" [\"/x y\"]", ""), &["--label", "own=yes"]);
    let image = site.inspect();
    let config = &image["Config"];
    assert_eq!(image["Author"], "somebody");
    assert_eq!(
        config["Env"],
        json!(["PATH=/bin:/usr/bin", "A=1", "B=two words", "C=1-and-more"])
    );
    assert_eq!(
        config["Labels"],
        json!({"own": "yes", "x": "y", "z z": "1"})
    );
    let ports = config["ExposedPorts"].as_object().unwrap();
    let ports: Vec<&String> = ports.keys().collect();
    assert_eq!(ports, ["3000/tcp", "3001/tcp", "53/udp", "80/tcp"]);
    assert_eq!(config["Volumes"], json!({"/data": {}}));
    assert_eq!(config["WorkingDir"], "/a/b");
    assert_eq!(config["User"], "1000:50");
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(config["Shell"], json!(["/bin/sh", "-ec"]));
    assert_eq!(config["Entrypoint"], json!(["echo", "hello"]));
    assert_eq!(config["Cmd"], json!(["/bin/sh", "-ec", "world"]));
    let health = &config["Healthcheck"];
    assert_eq!(health["Test"], json!(["CMD-SHELL", "echo well"]));
    assert_eq!(health["Interval"], json!(5_000_000_000_i64));
    assert_eq!(health["Retries"], 3);
    site.assert_whole();
}

#[test]
fn history_tells_every_step() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    let text = "FROM base\nARG WHO=me\nENV A=1\nWORKDIR /w\nCOPY --chown=user f g/\n\
                RUN echo $WHO >h\nCMD [\"sh\"]\n";
    site.build(text, &[]);
    let format = [
        "history",
        "--no-trunc",
        "--format",
        "{{.CreatedBy}}",
        "made",
    ];
    let said = site.bed.says(&format);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..6],
        [
            r#"CMD ["sh"]"#,
            "RUN |1 WHO=me /bin/sh -c echo $WHO >h",
            "COPY --chown=user f /w/g/",
            "WORKDIR /w",
            "ENV A=1",
            "ARG WHO=me",
        ]
    );
}

#[test]
fn an_entrypoint_takes_the_bases_command_away_and_not_ones_own() {
    let Some(site) = Site::new() else { return };
    site.build("FROM base\nCMD [\"old\"]\nENTRYPOINT [\"echo\"]\n", &[]);
    assert_eq!(site.inspect()["Config"]["Cmd"], json!(["old"]));
    site.bed.says(&["tag", "made", "lower"]);
    site.build("FROM lower\nENTRYPOINT [\"cat\"]\n", &[]);
    let config = site.inspect()["Config"].clone();
    assert_eq!(config["Entrypoint"], json!(["cat"]));
    assert!(
        config["Cmd"].is_null() || config["Cmd"] == json!([]),
        "{config}"
    );
}

#[test]
fn what_the_base_wants_of_its_heirs_is_done_first() {
    let Some(site) = Site::new() else { return };
    site.file("f", "from the context");
    site.build(
        "FROM base\nONBUILD COPY f /copied\nONBUILD RUN echo $PWD >/ran\n\
         ONBUILD ENV LEFT=here\nWORKDIR /w\n",
        &[],
    );
    site.bed.says(&["tag", "made", "lower"]);
    site.build(
        "FROM lower\nRUN cat /copied /ran >/both; echo $LEFT >>/both\n",
        &[],
    );
    assert_eq!(site.says(&["cat", "/both"]), "from the context/w\nhere\n");
    assert!(site.inspect()["Config"]["OnBuild"].is_null());
    let failing = site.bed.rcon(&["run", "--rm", "lower", "ls", "/copied"]);
    assert!(!failing.status.success());
}

#[test]
fn from_nothing_comes_only_what_is_copied() {
    let Some(site) = Site::new() else { return };
    let busybox = std::fs::read(site.bed.rootfs("bin/busybox")).unwrap();
    std::fs::write(site.path("busybox"), busybox).unwrap();
    site.build(
        "FROM scratch\nCOPY --chmod=755 busybox /bin/\nCMD [\"/bin/busybox\", \"ls\", \"/bin\"]\n",
        &[],
    );
    assert_eq!(site.says(&[]), "busybox\n");
}

#[test]
fn a_source_date_makes_the_same_image_every_time() {
    let Some(site) = Site::new() else { return };
    let text =
        "FROM base\nCOPY d /d\nWORKDIR /new\nRUN date >/dev/null; echo x >/f; rm /etc/group\n";
    site.file("d/e/f", "content");
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let call = site.call(text, &["--no-cache", "-q"]);
            std::fs::write(site.path("d/e/g"), "same").unwrap();
            call.env("SOURCE_DATE_EPOCH", "1000000000")
                .output()
                .ok()
                .stdout
        })
        .collect();
    let id = site.call(text, &["--no-cache", "-q"]);
    let id = id
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .output()
        .ok()
        .stdout;
    assert_eq!(ids[1], id);
    let created = site.inspect()["Created"].as_str().unwrap().to_owned();
    assert!(created.starts_with("2001-09-09T01:46:40"), "{created}");
    assert_eq!(
        site.sh("stat -c %Y /f /new /d/e/g").trim(),
        "1000000000\n1000000000\n1000000000"
    );
}
