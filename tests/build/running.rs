//! `RUN`.

use crate::site::Site;

#[test]
fn a_shell_a_list_and_documents_are_run() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nRUN echo a | cat >/f && echo b >>/f\nRUN [\"cp\", \"/f\", \"/g h\"]\n\
         RUN <<EOF\necho c >>/f\necho d >>/f\nEOF\n\
         RUN <<EOF cat >>/f\nfrom $PWD\nEOF\n\
         RUN <<'END'\n#!/bin/cat\nE\nEND\n\
         SHELL [\"/bin/sh\", \"-c\", \"echo shell: $0 >>/f; $0\"]\nRUN echo e\n",
        &[],
    );
    assert_eq!(
        site.says(&["cat", "/f", "/g h"]),
        "a\nb\nc\nd\nfrom /\nshell: echo e\na\nb\n"
    );
    site.assert_whole();
}

#[test]
fn a_program_runs_as_its_user_where_it_should() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nWORKDIR /home/user/deep\nRUN chown user /home/user/deep\nUSER user\n\
         RUN id -u >f; pwd >>f; echo $HOME >>f\n",
        &[],
    );
    let said = site.sh("cat /home/user/deep/f; stat -c %u:%g /home/user/deep/f");
    assert_eq!(said, "1000\n/home/user/deep\n/home/user\n1000:1000\n");
}

#[test]
fn what_is_removed_is_gone_and_what_is_replaced_is_new() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nRUN mkdir -p /d/sub && echo 1 >/d/sub/a && echo 2 >/d/b\n\
         RUN rm -r /d/sub && mkdir /d/sub && echo 3 >/d/sub/c && rm /d/b\n\
         RUN rm /etc/group && ln -s passwd /etc/group\n",
        &[],
    );
    assert_eq!(
        site.sh("find /d | sort; readlink /etc/group"),
        "/d\n/d/sub\n/d/sub/c\npasswd\n"
    );
    // The same image, by its archives alone.
    let saved = site.bed.path("saved.tar");
    let saved = saved.to_string_lossy();
    site.bed.says(&["save", "-o", &saved, "made"]);
    site.bed.says(&["rmi", "made"]);
    site.bed.says(&["builder", "prune", "-af"]);
    site.bed.says(&["load", "-i", &saved]);
    assert_eq!(
        site.sh("find /d | sort; readlink /etc/group"),
        "/d\n/d/sub\n/d/sub/c\npasswd\n"
    );
}

#[test]
fn nothing_of_rcons_own_is_left_in_the_layer() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nRUN --mount=type=tmpfs,target=/deep/er/tmp \
         --mount=type=cache,target=/var/cached echo x >/deep/er/tmp/y; echo z >/f\n",
        &[],
    );
    let output = site.bed.path("out");
    let text = std::fs::read_to_string(site.path("Dockerfile")).unwrap();
    let dest = format!("type=local,dest={}", output.display());
    site.build(&text, &["--output", &dest]);
    assert!(output.join("f").exists());
    for gone in [
        "deep",
        "var/cached",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/hostname",
    ] {
        assert!(!output.join(gone).exists(), "{gone} was left");
    }
}

#[test]
fn a_step_that_fails_is_shown_with_all_that_helps() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN echo fine\nRUN echo one && \\\n    echo two >&2 && exit 3\n";
    let output = site.fails(
        text,
        &[],
        &[
            "| one",
            "| two",
            "Dockerfile:3:1: the command ended with exit code 3",
            "3 | RUN echo one && \\",
            "^^^",
            "hint: ",
        ],
    );
    assert!(output.stderr.contains("FAILED"), "{output}");
    let quiet = site.fails(text, &["-q"], &["| one", "| two", "exit code 3"]);
    assert_eq!(quiet.stdout, "");
    let missing = "FROM base\nRUN no-such-program\n";
    site.fails(missing, &[], &["exit code 127", "installed"]);
    let exec = "FROM base\nRUN [\"no-such-program\"]\n";
    site.fails(exec, &[], &["Dockerfile:2:1", "no-such-program"]);
    site.assert_whole();
}

#[test]
fn a_program_has_a_network_or_none() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN --network=none ls /sys/class/net >/none\n\
                RUN ls /sys/class/net >/default\n";
    site.file("Dockerfile", text);
    site.bed.says(&["build", "-t", "made", "ctx"]);
    assert_eq!(site.says(&["cat", "/none"]), "lo\n");
    assert_eq!(site.says(&["cat", "/default"]), "eth0\nlo\n");
    let host = "FROM base\nRUN --network=host true\n";
    site.fails(
        host,
        &[],
        &[
            "Dockerfile:2:1",
            "--network=host is not allowed",
            "--allow network.host",
        ],
    );
    site.build(host, &["--allow=network.host"]);
}

#[test]
fn power_is_given_on_the_command_line_only() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN --security=insecure grep CapEff /proc/self/status >/f\n";
    site.fails(
        text,
        &[],
        &["Dockerfile:2:1", "not allowed", "--allow security.insecure"],
    );
    site.build(text, &["--allow", "security.insecure"]);
    let all = site.says(&["cat", "/f"]);
    site.build("FROM base\nRUN grep CapEff /proc/self/status >/f\n", &[]);
    let usual = site.says(&["cat", "/f"]);
    assert_ne!(all, usual);
    assert!(usual.trim().ends_with("a80425fb"), "{usual}");
}

#[test]
fn names_and_limits_of_the_command_line_are_the_programs() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN grep myhost /etc/hosts >/f; ulimit -n >>/f; \
                df -k /dev/shm | tail -1 | awk '{print $2}' >>/f\n";
    site.build(
        text,
        &[
            "--add-host=myhost:10.1.2.3",
            "--ulimit=nofile=77:78",
            "--shm-size=1m",
        ],
    );
    let said = site.says(&["cat", "/f"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("10.1.2.3") && lines[0].contains("myhost"),
        "{said}"
    );
    assert_eq!(lines[1..], ["77", "1024"]);
}

#[test]
fn builds_are_nobodys_containers() {
    let Some(site) = Site::new() else { return };
    let call = site.call("FROM base\nRUN echo begun; sleep 600\n", &[]);
    let building = call.spawn();
    crate::common::eventually("the program runs", || building.stderr().contains("begun"));
    assert_eq!(site.bed.says(&["ps", "-aq"]), "");
    site.bed.says(&["container", "prune", "-f"]);
    let events = site.bed.says(&[
        "events",
        "--since=1h",
        "--until=0s",
        "--filter=type=container",
    ]);
    assert_eq!(events, "");
    building.signal(nix::sys::signal::Signal::SIGINT);
    let output = building.wait();
    assert_eq!(output.status.code(), Some(130), "{output}");
    site.assert_whole();
}

#[test]
fn a_directory_to_work_in_is_the_users() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nRUN mkdir /there\nUSER user\nWORKDIR /app/src\nRUN touch made\n\
         WORKDIR /there\nUSER 7:8\nWORKDIR /numbers\n",
        &[],
    );
    assert_eq!(
        site.sh("stat -c %u:%g /app /app/src /there /numbers"),
        "1000:1000\n1000:1000\n0:0\n7:8\n"
    );
    site.fails(
        "FROM base\nUSER nobody-here\nWORKDIR /new\n",
        &[],
        &["nobody-here"],
    );
}

#[test]
fn what_cannot_run_says_why() {
    let Some(site) = Site::new() else { return };
    site.fails(
        "FROM scratch\nRUN true\n",
        &[],
        &["Dockerfile:2:1", "scratch is empty"],
    );
    site.file("script", "#!/bin/sh\r\ntrue\r\n");
    let text = "FROM base\nCOPY --chmod=755 script /\nRUN [\"/script\"]\n";
    site.fails(text, &[], &["/bin/sh\\r", "Windows line endings"]);
    site.build("FROM base\nONBUILD COPY missing /m\n", &[]);
    site.fails(
        "FROM made\n",
        &[],
        &["ONBUILD COPY missing /m", "not found"],
    );
    let output = site.fails(
        "FROM base\nRUN false # \x1b]0;title\x07\n",
        &[],
        &["#2 [2/2] RUN"],
    );
    assert!(!output.stderr.contains('\x1b'), "{output}");
}
