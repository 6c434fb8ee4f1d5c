//! `RUN --mount`.

use std::os::unix::net::UnixListener;

use crate::site::{Site, holding, is_cached};

#[test]
fn parts_of_the_context_a_stage_and_an_image_are_seen() {
    let Some(site) = Site::new() else { return };
    site.file("dir/f", "context\n");
    site.build(
        "FROM base AS one\nRUN mkdir /s && echo stage >/s/f\nFROM base\nWORKDIR /w\n\
         RUN --mount=source=dir,target=c --mount=from=one,source=/s/f,target=/f \
         --mount=from=base,target=/b cat c/f /f >/got; cmp /b/etc/passwd /etc/passwd && \
         ! touch c/new && ! touch /b/new && echo fine >>/got\n",
        &[],
    );
    assert_eq!(site.says(&["cat", "/got"]), "context\nstage\nfine\n");
    assert!(!site.path("dir/new").exists());
    assert!(!site.sh("ls /; ls /w").contains("\nb\n"));
    site.assert_whole();
}

#[test]
fn what_is_written_into_a_mount_is_thrown_away() {
    let Some(site) = Site::new() else { return };
    site.file("dir/f", "context\n");
    site.build(
        "FROM base AS one\nRUN mkdir /s && echo stage >/s/f\nFROM base\n\
         RUN --mount=source=dir,target=/c,rw --mount=from=one,source=s,target=/s,rw \
         echo changed | tee /c/f /s/f && rm -f /c/g; cat /c/f /s/f >/got\n\
         RUN --mount=source=dir,target=/c --mount=from=one,source=s,target=/s cat /c/f /s/f >>/got\n",
        &[],
    );
    assert_eq!(
        site.says(&["cat", "/got"]),
        "changed\nchanged\ncontext\nstage\n"
    );
    let text = std::fs::read_to_string(site.path("dir/f")).unwrap();
    assert_eq!(text, "context\n");
}

#[test]
fn what_is_mounted_counts_for_the_cache() {
    let Some(site) = Site::new() else { return };
    site.file("f", "1");
    site.file("other", "1");
    let text = "FROM base\nRUN --mount=source=f,target=/f cp /f /got\n";
    site.build(text, &[]);
    site.file("other", "2");
    assert!(is_cached(&site.build(text, &[]), "RUN --mount"));
    site.file("f", "2");
    assert!(!is_cached(&site.build(text, &[]), "RUN --mount"));
    assert_eq!(site.says(&["cat", "/got"]), "2");
}

#[test]
fn a_cache_stays_from_build_to_build() {
    let Some(site) = Site::new() else { return };
    let step = "RUN --mount=type=cache,id=mine,target=/c,mode=0750,uid=1000 \
                echo x >>/c/n; wc -l </c/n >/got; stat -c %a:%u /c >>/got\n";
    let text = format!("FROM base\n{step}");
    site.build(&text, &[]);
    site.build(&text, &["--no-cache"]);
    assert_eq!(site.says(&["cat", "/got"]), "2\n750:1000\n");
    assert_eq!(site.sh("ls /c 2>/dev/null; echo $?"), "1\n");
    // Filled once from elsewhere.
    let filled = "FROM base AS a\nRUN mkdir /s && echo begun >/s/n\nFROM base\n\
         RUN --mount=type=cache,target=/c,from=a,source=/s echo more >>/c/n; cat /c/n >/got\n";
    site.build(filled, &[]);
    assert_eq!(site.says(&["cat", "/got"]), "begun\nmore\n");
    let list = site.bed.says(&["builder", "du"]);
    assert!(list.contains("cache mine"), "{list}");
    site.bed.says(&["builder", "prune", "-af"]);
    site.build(&text, &[]);
    assert_eq!(site.says(&["cat", "/got"]), "1\n750:1000\n");
}

#[test]
fn two_who_want_a_locked_cache_come_one_after_the_other() {
    let Some(site) = Site::new() else { return };
    let stage = |name: &str, kind: &str| {
        format!(
            "FROM base AS {name}\nRUN --mount=type=cache,id={kind},target=/c,sharing={kind} \
             [ ! -e /c/busy ] || echo met >/met; touch /c/busy; sleep 0.4; rm -f /c/busy; \
             touch /met; echo {name}\n"
        )
    };
    let both = |kind: &str| {
        stage("one", kind)
            + &stage("two", kind)
            + "FROM base\nCOPY --from=one /met /one\nCOPY --from=two /met /two\n"
    };
    for kind in ["locked", "private"] {
        site.build(&both(kind), &[]);
        assert_eq!(site.says(&["cat", "/one", "/two"]), "", "{kind}");
    }
}

#[test]
fn secrets_are_seen_by_their_step_and_by_nobody_else() {
    let Some(site) = Site::new() else { return };
    let secret = "correct horse battery staple";
    let path = site.bed.path("secret.txt");
    std::fs::write(&path, secret).unwrap();
    let text = "FROM base\n\
         RUN --mount=type=secret,id=one stat -c %a:%u /run/secrets/one >/got; \
         sha256sum </run/secrets/one >>/got\n\
         RUN --mount=type=secret,id=two,env=TOKEN --mount=type=secret,id=one,target=/x,mode=0444 \
         [ \"$TOKEN\" = \"$(cat /x)\" ] && echo same >>/got\n\
         RUN --mount=type=secret,id=absent ls /run/secrets >>/got 2>/dev/null; true\n";
    let source = format!("id=one,src={}", path.display());
    let call = site.call(text, &["--secret", &source, "--secret=id=two,env=TWO"]);
    call.env("TWO", secret).output().ok();
    let said = site.says(&["cat", "/got"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        (lines[0], lines[2], lines.len()),
        ("400:0", "same", 3),
        "{said}"
    );
    let held = holding(&site.bed.root(), secret.as_bytes());
    assert!(held.is_empty(), "the secret is in {held:?}");
    // Which secret it is does not count.
    std::fs::write(&path, "another one").unwrap();
    let call = site.call(text, &["--secret", &source, "--secret=id=two,env=TWO"]);
    assert!(is_cached(&call.env("TWO", "x").output().ok(), "id=two"));
    site.fails(
        "FROM base\nRUN --mount=type=secret,id=needed,required cat /run/secrets/needed\n",
        &[],
        &[
            "Dockerfile:2:13",
            "the secret needed was not given",
            "--secret id=needed",
        ],
    );
}

#[test]
fn an_agent_is_reached() {
    let Some(site) = Site::new() else { return };
    let path = site.bed.path("agent.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let text = "FROM base\nRUN --mount=type=ssh [ -S $SSH_AUTH_SOCK ] && echo yes >/got\n";
    let default = format!("default={}", path.display());
    site.build(text, &["--ssh", &default]);
    assert_eq!(site.says(&["cat", "/got"]), "yes\n");
    let call = site.call(text, &["--ssh=default", "--no-cache"]);
    call.env("SSH_AUTH_SOCK", &path.to_string_lossy())
        .output()
        .ok();
    site.fails(
        &text.replace("type=ssh", "type=ssh,required"),
        &["--no-cache"],
        &["the SSH agent default was not given", "--ssh default"],
    );
    site.fails(text, &["--ssh=default=/etc/passwd"], &["not the socket"]);
}

#[test]
fn memory_is_mounted() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nRUN --mount=type=tmpfs,target=/m,size=1m df -k /m | tail -1 >/got; echo x >/m/f\n",
        &[],
    );
    let said = site.says(&["cat", "/got"]);
    assert!(said.starts_with("tmpfs") && said.contains("1024"), "{said}");
    assert_eq!(site.sh("ls /m 2>/dev/null; echo $?"), "1\n");
}
