//! Several stages, and the arguments they see.

use crate::site::{Site, steps};

#[test]
fn a_stage_gives_another_its_files() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base AS one\nRUN echo one >/made\nFROM base\nCOPY --from=one /made /got\n\
         COPY --from=0 /made /again\n",
        &["--pull=never"],
    );
    assert_eq!(site.says(&["cat", "/got", "/again"]), "one\none\n");
}

#[test]
fn a_stage_begins_where_another_ended() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base AS one\nENV A=b\nARG GONE=x\nRUN echo one >/made\nFROM one\n\
         RUN cat /made >/got; echo $A$GONE >>/got\n",
        &[],
    );
    assert_eq!(site.says(&["cat", "/got"]), "one\nb\n");
    site.assert_whole();
}

#[test]
fn stages_that_nobody_needs_are_not_built() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base AS wanted\nRUN echo yes >/f\nFROM base AS broken\nRUN false\n\
                FROM nowhere/to/be/found AS missing\nFROM wanted\nRUN echo more >>/f\n";
    let output = site.build(text, &[]);
    assert!(!output.stderr.contains("false"), "{output}");
    assert_eq!(site.says(&["cat", "/f"]), "yes\nmore\n");
    let output = site.build(text, &["--target=wanted", "--no-cache"]);
    assert_eq!(site.says(&["cat", "/f"]), "yes\n");
    assert!(!output.stderr.contains("more"), "{output}");
    site.fails(
        text,
        &["--target=broken"],
        &["Dockerfile:4:1", "exit code 1"],
    );
    site.fails(text, &["--target=none"], &["no such stage", "wanted"]);
}

#[test]
fn stages_that_do_not_need_each_other_are_built_side_by_side() {
    let Some(site) = Site::new() else { return };
    // Each waits for the other; a machine is never so slow for so long.
    let wait = |own: &str, other: &str| {
        format!(
            "FROM base AS {own}\nRUN --mount=type=cache,target=/c \
             touch /c/{own}; n=0; while [ ! -e /c/{other} ]; do \
             sleep 0.05; n=$((n+1)); [ $n -lt 300 ] || exit 9; done; echo {own} >/f\n"
        )
    };
    let text = wait("left", "right")
        + &wait("right", "left")
        + "FROM base\nCOPY --from=left /f /l\nCOPY --from=right /f /r\n";
    let output = site.build(&text, &[]);
    assert_eq!(site.says(&["cat", "/l", "/r"]), "left\nright\n");
    let titles = steps(&output);
    assert!(
        titles.iter().any(|l| l.contains("[left 2/2] RUN")),
        "{titles:?}"
    );
}

#[test]
fn arguments_are_seen_where_they_are_declared() {
    let Some(site) = Site::new() else { return };
    let text = "ARG BASE=nothing\nARG OUTER=outer\nFROM ${BASE}\n\
         RUN echo \"1:$BASE$OUTER\" >/f\n\
         ARG OUTER\nARG INNER=inner\nARG GIVEN=default\nARG NONE\nARG FROM_ENV\n\
         RUN echo \"2:$OUTER:$INNER:$GIVEN:${NONE-unset}:$FROM_ENV\" >>/f\n\
         ENV INNER=variable\n\
         ARG INNER=again\n\
         RUN echo \"3:$INNER\" >>/f\nENV KEPT=$GIVEN\n";
    let args = [
        "--build-arg",
        "BASE=base",
        "--build-arg=GIVEN=given",
        "--build-arg=FROM_ENV",
        "--build-arg=UNSET_ANYWHERE",
    ];
    let call = site.call(text, &args).env("FROM_ENV", "host");
    call.output().ok();
    assert_eq!(
        site.says(&["cat", "/f"]),
        "1:\n2:outer:inner:given:unset:host\n3:variable\n"
    );
    assert_eq!(site.sh("echo $KEPT:${GIVEN-gone}"), "given:gone\n");
}

#[test]
fn an_argument_nobody_asks_for_is_told() {
    let Some(site) = Site::new() else { return };
    let output = site.build(
        "FROM base\nARG A\n",
        &["--build-arg=A=1", "--build-arg=TYPO=1"],
    );
    assert!(output.stderr.contains("TYPO"), "{output}");
    assert!(!output.stderr.contains("--build-arg A"), "{output}");
}

#[test]
fn proxies_are_for_programs_and_not_for_the_image() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN echo $http_proxy >/f\n";
    site.build(text, &["--build-arg=http_proxy=http://secret-proxy:1"]);
    assert_eq!(site.says(&["cat", "/f"]), "http://secret-proxy:1\n");
    let history = site.bed.says(&["history", "--no-trunc", "made"]);
    assert!(!history.contains("secret-proxy"), "{history}");
    let again = site.build(text, &["--build-arg=http_proxy=http://other:1"]);
    assert!(crate::site::is_cached(&again, "RUN echo"), "{again}");
}

#[test]
fn the_platform_can_be_asked_for() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM --platform=$BUILDPLATFORM base\nARG TARGETOS TARGETARCH BUILDPLATFORM\n\
         RUN echo $TARGETOS/$TARGETARCH $BUILDPLATFORM ${TARGETPLATFORM-unseen} >/f\n",
        &[],
    );
    let said = site.says(&["cat", "/f"]);
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    assert_eq!(said, format!("linux/{arch} linux/{arch} unseen\n"));
}

#[test]
fn a_base_that_is_not_there_is_told_with_its_line() {
    let Some(site) = Site::new() else { return };
    site.fails(
        "FROM base AS a\nFROM nowhere:1\n",
        &["--pull=never"],
        &["Dockerfile:2:6", "No such image: nowhere:1", "^^^^^^^^^"],
    );
    site.fails("ARG X\nFROM $X\n", &[], &["Dockerfile:2:6", "empty"]);
}

#[test]
fn a_stage_that_was_mistyped_is_found() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base AS builder\nFROM base\nCOPY --from=localhost:1/bulider /a /b\n";
    site.fails(text, &[], &["Dockerfile:3:13"]);
    let text = text.replace("localhost:1/", "");
    site.fails(
        &text,
        &["--pull=never"],
        &["did you mean the stage builder?"],
    );
}

#[test]
fn there_is_a_limit_to_stages() {
    let Some(site) = Site::new() else { return };
    let others = (1..1000).map(|n| format!("FROM s{} AS s{n}\n", n - 1));
    let text = "FROM base AS s0\n".to_owned() + &others.collect::<String>();
    site.build(&text, &[]);
    let text = text + "FROM s999\n";
    site.fails(&text, &[], &["Dockerfile:1001:1", "stage 1001"]);
}
