//! What is done again, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use crate::common::Output;
use crate::site::{Site, is_cached, names, steps};

const TEXT: &str = "FROM base\nCOPY src /src\nRUN echo built >/out\nCMD [\"cat\", \"/out\"]\n";

/// Whether the steps that can be cached were.
fn cached(output: &Output) -> Vec<bool> {
    let steps = steps(output).into_iter();
    let steps = steps.filter(|l| l.contains("] COPY") || l.contains("] RUN"));
    steps.map(|l| l.ends_with(" CACHED")).collect()
}

#[test]
fn the_same_once_more_is_the_same_image() {
    let Some(site) = Site::new() else { return };
    site.file("src/f", "1");
    let first = site.build(TEXT, &[]);
    let id = site.id();
    assert_eq!(cached(&first), [false, false]);
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    assert_eq!(site.id(), id);
    // Without its image it is remembered, too.
    site.bed.says(&["rmi", "made"]);
    site.bed.says(&["image", "prune", "-af"]);
    site.bed.says(&[
        "import",
        "--change",
        "ENV PATH=/bin:/usr/bin",
        &site.bed.rootfs("").to_string_lossy(),
        "base",
    ]);
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    site.assert_whole();
}

#[test]
fn content_and_modes_count_and_times_do_not() {
    let Some(site) = Site::new() else { return };
    let path = site.file("src/f", "1");
    site.build(TEXT, &[]);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(5000))
        .unwrap();
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(cached(&site.build(TEXT, &[])), [false, false]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    // As many bytes, at the same time: seen all the same.
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "2").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(times)
        .unwrap();
    assert_eq!(cached(&site.build(TEXT, &[])), [false, false]);
    assert_eq!(site.says(&["cat", "/src/f"]), "2");
    site.file("src/new", "");
    assert_eq!(cached(&site.build(TEXT, &[])), [false, false]);
}

#[test]
fn what_was_read_long_ago_is_not_read_again_and_never_mistaken() {
    let Some(site) = Site::new() else { return };
    let path = site.file("src/f", "1");
    std::thread::sleep(Duration::from_millis(1100));
    site.build(TEXT, &[]);
    assert_eq!(names(&site.bed.root().join("build/sums")).len(), 1);
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "2").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(times)
        .unwrap();
    assert_eq!(cached(&site.build(TEXT, &[])), [false, false]);
}

#[test]
fn what_does_not_matter_to_a_program_does_not_run_it_again() {
    let Some(site) = Site::new() else { return };
    let text = |label: &str, env: &str| {
        format!("FROM base\nLABEL a={label}\nEXPOSE 80\nENV A={env}\nRUN echo $A >/f\n")
    };
    site.build(&text("1", "1"), &[]);
    assert!(is_cached(&site.build(&text("2", "1"), &[]), "RUN echo"));
    assert!(!is_cached(&site.build(&text("2", "2"), &[]), "RUN echo"));
    let arg = "FROM base\nARG A\nRUN echo $A >/f\n";
    site.build(arg, &["--build-arg=A=1"]);
    assert!(is_cached(
        &site.build(arg, &["--build-arg=A=1"]),
        "RUN echo"
    ));
    assert!(!is_cached(
        &site.build(arg, &["--build-arg=A=2"]),
        "RUN echo"
    ));
    let user = "FROM base\nUSER user\nRUN id -u\n";
    site.build("FROM base\nRUN id -u\n", &[]);
    assert!(!is_cached(&site.build(user, &[]), "RUN id"));
    let network = "FROM base\nRUN --network=none ls\n";
    site.file("Dockerfile", "FROM base\nRUN ls\n");
    site.bed.says(&["build", "ctx"]);
    site.file("Dockerfile", network);
    assert!(!is_cached(
        &site.bed.rcon(&["build", "ctx"]).ok(),
        "RUN --network"
    ));
}

#[test]
fn the_same_command_on_another_base_is_another_step() {
    let Some(site) = Site::new() else { return };
    let step = "RUN cat /etc/marker >/f 2>/dev/null; true\n";
    site.build(&format!("FROM base\n{step}"), &[]);
    site.build("FROM base\nRUN echo evil >/etc/marker\n", &[]);
    site.bed.says(&["tag", "made", "base2"]);
    assert!(!is_cached(
        &site.build(&format!("FROM base2\n{step}"), &[]),
        "RUN cat"
    ));
    assert_eq!(site.says(&["cat", "/f"]), "evil\n");
}

#[test]
fn one_may_want_none_of_it() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base AS one\nRUN echo 1\nFROM one\nRUN echo 2\n";
    site.build(text, &[]);
    let all = site.build(text, &["--no-cache"]);
    assert!(!is_cached(&all, "echo 1") && !is_cached(&all, "echo 2"));
    let one = site.build(text, &["--no-cache-filter=one"]);
    assert!(!is_cached(&one, "echo 1"));
}

#[test]
fn what_was_done_before_a_failure_is_remembered() {
    let Some(site) = Site::new() else { return };
    site.fails(
        "FROM base\nRUN echo long >/work\nRUN false\n",
        &[],
        &["exit code 1"],
    );
    let output = site.build("FROM base\nRUN echo long >/work\nRUN true\n", &[]);
    assert!(is_cached(&output, "echo long"));
    site.assert_whole();
}

#[test]
fn stages_give_by_content_and_not_by_how_it_was_made() {
    let Some(site) = Site::new() else { return };
    let text = |how: &str| {
        format!("FROM base AS one\nRUN {how}\nFROM base\nCOPY --from=one /out /out\nRUN cat /out\n")
    };
    site.build(&text("echo same >/out"), &[]);
    let again = site.build(&text("printf 'same\\n' >/out; touch /noise"), &[]);
    assert!(
        !is_cached(&again, "printf") && is_cached(&again, "RUN cat"),
        "{again}"
    );
    assert!(is_cached(&again, "COPY --from=one"), "{again}");
}

#[test]
fn what_is_remembered_can_be_shown_and_forgotten() {
    let Some(site) = Site::new() else { return };
    site.file("src/f", "1");
    site.build(TEXT, &[]);
    let list = site.bed.says(&["builder", "du"]);
    assert!(
        list.contains("RUN echo built") && list.contains("COPY src /src"),
        "{list}"
    );
    let df = site.bed.says(&["system", "df"]);
    assert!(df.contains("Build Cache"), "{df}");
    // Part of an image: it stays.
    site.bed.says(&["builder", "prune", "-f"]);
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    let young = site
        .bed
        .says(&["builder", "prune", "-af", "--filter=until=1h"]);
    assert!(young.contains("0B"), "{young}");
    assert_eq!(cached(&site.build(TEXT, &[])), [true, true]);
    site.bed.says(&["rmi", "made"]);
    let freed = site.bed.says(&["builder", "prune", "-f"]);
    assert!(!freed.contains(": 0B"), "{freed}");
    assert_eq!(cached(&site.build(TEXT, &[])), [false, false]);
    site.bed.says(&["rmi", "made"]);
    site.bed.says(&["system", "prune", "-af"]);
    assert_eq!(names(&site.bed.root().join("layers")), [""; 0]);
    assert_eq!(names(&site.bed.root().join("images/blobs/sha256")), [""; 0]);
    site.assert_whole();
}

#[test]
fn a_step_that_changed_nothing_is_forgotten_too() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN true\n";
    site.build(text, &[]);
    assert!(is_cached(&site.build(text, &[]), "RUN true"));
    site.bed.says(&["builder", "prune", "-af"]);
    assert!(!is_cached(&site.build(text, &[]), "RUN true"));
}

#[test]
fn a_step_that_changed_nothing_stays_with_its_image() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN echo x >/x\nRUN cat /x && echo done\n";
    site.build(text, &[]);
    let id = site.id();
    let active = "{{if eq .Type \"Build Cache\"}}{{.Active}} of {{.TotalCount}}{{end}}";
    let active = ["system", "df", "--format", active];
    assert_eq!(site.bed.says(&active).trim(), "2 of 2");
    let said = site.bed.says(&["builder", "prune", "-f"]);
    assert_eq!(said, "Total reclaimed space: 0B\n");
    assert_eq!(cached(&site.build(text, &[])), [true, true]);
    assert_eq!(site.id(), id);
    // The same on other files is not in the image.
    site.bed.says(&["rmi", "made"]);
    site.build("FROM base\nRUN echo y >/x\nRUN cat /x && echo done\n", &[]);
    assert_eq!(site.bed.says(&active).trim(), "2 of 4");
    let said = site.bed.says(&["builder", "prune", "-f"]);
    assert!(said.starts_with("Deleted build cache objects:\n"), "{said}");
    assert_eq!(said.matches("RUN").count(), 2, "{said}");
    assert!(said.contains("  RUN cat /x && echo done\n"), "{said}");
    assert!(said.contains("\n\nTotal reclaimed space: "), "{said}");
}

#[test]
fn an_image_without_files_of_its_own_is_the_same_once_more_too() {
    let Some(site) = Site::new() else { return };
    let day = |site: &Site| site.inspect()["Created"].as_str().unwrap()[..10].to_owned();
    site.bed
        .call(&["import", &site.bed.rootfs("").to_string_lossy(), "old"])
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .output()
        .ok();
    for base in ["old", "hello", "scratch"] {
        let text = format!("FROM {base}\nLABEL x=1\n");
        site.build(&text, &[]);
        let id = site.id();
        // As old as it is, and not as what it is built on.
        assert!(*day(&site) > *"2020", "{base}");
        let dates = ["history", "--format={{.CreatedAt}}", "made"];
        let dates = site.bed.says(&dates);
        assert!(dates.lines().next().unwrap() > "2020", "{base}: {dates}");
        site.bed.says(&["builder", "prune", "-f"]);
        site.build(&text, &[]);
        assert_eq!(site.id(), id, "{base}");
        site.build(&text.replace("x=1", "x=2"), &[]);
        assert_ne!(site.id(), id, "{base}");
        site.build(&text, &["--no-cache"]);
        assert_ne!(site.id(), id, "{base}");
        let given = || {
            site.call(&text, &[])
                .env("SOURCE_DATE_EPOCH", "1100000000")
                .output()
                .ok();
            site.id()
        };
        let first = given();
        assert_eq!(day(&site), "2004-11-09");
        site.bed.says(&["rmi", "-f", "made"]);
        site.bed.says(&["builder", "prune", "-af"]);
        assert_eq!(given(), first, "{base}");
    }
    // With nothing to do it is the image itself.
    site.build("FROM old\n", &[]);
    assert_eq!(day(&site), "2001-09-09");
    site.build("FROM old\n", &["--label=y=1"]);
    let id = site.id();
    assert!(*day(&site) > *"2020");
    site.bed.says(&["builder", "prune", "-f"]);
    site.build("FROM old\n", &["--label=y=1"]);
    assert_eq!(site.id(), id);
}

#[test]
fn an_image_stands_without_the_cache_and_the_cache_without_its_files() {
    let Some(site) = Site::new() else { return };
    site.file("src/f", "1");
    site.build(TEXT, &[]);
    site.bed.says(&["builder", "prune", "-af"]);
    assert_eq!(site.says(&[]), "built\n");
    site.build(TEXT, &["--no-cache"]);
    // Somebody has damaged what is remembered.
    let kept = site.bed.root().join("images/kept");
    for name in names(&kept) {
        fs::write(kept.join(name), "{nonsense").unwrap();
    }
    assert_eq!(cached(&site.build(TEXT, &[])), [false, false]);
    assert_eq!(site.says(&[]), "built\n");
    site.assert_whole();
}
