//! The same Dockerfiles built by Debian's buildah: the same tree, the same
//! configuration.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use crate::common::{Need, Value, json, needs_met};
use crate::site::Site;

/// buildah with a store of its own, and `base` in it.
struct Peer<'a> {
    site: &'a Site,
}

impl<'a> Peer<'a> {
    fn new(site: &'a Site) -> Self {
        let peer = Self { site };
        fs::write(
            site.bed.path("policy.json"),
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        )
        .unwrap();
        let saved = site.bed.path("base.tar");
        let saved = saved.to_string_lossy();
        site.bed.says(&["save", "-o", &saved, "base"]);
        let from = format!("docker-archive:{saved}");
        peer.run(&["pull", "-q", &from]);
        peer
    }

    fn run(&self, args: &[&str]) -> Output {
        let store = |name: &str| self.site.bed.path(name).to_string_lossy().into_owned();
        let mut command = Command::new("buildah");
        command
            .args(["--root", &store("peer"), "--runroot", &store("peer-run")])
            .args(["--storage-driver", "vfs"])
            .args(args)
            .current_dir(self.site.bed.path(""))
            .env("BUILDAH_ISOLATION", "chroot")
            .env("TMPDIR", self.site.bed.path(""));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Builds, and gives the configuration and the tree.
    fn build(&self) -> (Value, BTreeMap<String, String>) {
        let policy = self.site.bed.path("policy.json");
        let policy = policy.to_string_lossy();
        self.run(&[
            "bud",
            "--signature-policy",
            &policy,
            "--pull-never",
            "--format=docker",
            "-q",
            "-t",
            "made",
            "ctx",
        ]);
        let to = self.site.bed.path("peer.tar");
        let to = format!("docker-archive:{}:made:latest", to.to_string_lossy());
        self.run(&["push", "-q", "--signature-policy", &policy, "made", &to]);
        // Read by the same eyes as our own.
        let own = self.site.bed.path("peer.tar");
        let loaded = self.site.bed.path("peer-store");
        let rcon = |args: &[&str]| {
            let root = loaded.to_string_lossy().into_owned();
            let all = [&["--root", &root], args].concat();
            self.site.bed.rcon(&all).ok().stdout
        };
        rcon(&["load", "-q", "-i", &own.to_string_lossy()]);
        let config: Value = serde_json::from_str(&rcon(&["image", "inspect", "made"])).unwrap();
        let tree = self.site.bed.path("peer-tree.tar");
        let export = export(self.site, &tree);
        rcon(&export.iter().map(String::as_str).collect::<Vec<_>>());
        let list = tree_of(&tree);
        fs::remove_file(own).unwrap();
        (config[0]["Config"].clone(), list)
    }
}

impl Drop for Peer<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.site.bed.path("peer"));
    }
}

/// How the tree of an image `made` is written into an archive.
fn export(site: &Site, to: &std::path::Path) -> Vec<String> {
    let recipe = site.bed.path("Export");
    fs::write(&recipe, "FROM made\n").unwrap();
    let to = format!("type=tar,dest={}", to.display());
    let recipe = recipe.to_string_lossy().into_owned();
    let args = ["build", "-q", "-o", &to, "-f", &recipe, "ctx"];
    args.map(str::to_owned).to_vec()
}

/// What is in a tar archive: for each path kind, mode, owner, link and content.
fn tree_of(path: &std::path::Path) -> BTreeMap<String, String> {
    let file = fs::File::open(path).unwrap();
    let mut reader = rcon::archive::Reader::new(std::io::BufReader::new(file));
    let mut all = BTreeMap::new();
    while let Some(entry) = reader.next().unwrap() {
        let mut sum =
            rcon::image::reference::Hasher::new(rcon::image::reference::Algorithm::Sha256);
        let mut buffer = vec![0; 1 << 16];
        while let Some((_, n)) = reader.data(&mut buffer).unwrap() {
            sum.update(&buffer[..n]);
        }
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        let name = name
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned();
        // Made by whoever makes a container, and no part of the image.
        if [
            "dev",
            "proc",
            "sys",
            "etc/hosts",
            "etc/hostname",
            "etc/resolv.conf",
            "run",
            "",
        ]
        .iter()
        .any(|own| name == *own || name.starts_with(&format!("{own}/")) && !own.is_empty())
        {
            continue;
        }
        let line = format!(
            "{:?} {:o} {}:{} {:?} {} {}",
            entry.kind,
            entry.mode,
            entry.uid,
            entry.gid,
            String::from_utf8_lossy(&entry.link),
            entry.size,
            sum.finish()
        );
        all.insert(name, line);
    }
    all
}

fn own(site: &Site) -> (Value, BTreeMap<String, String>) {
    site.bed
        .says(&["build", "--network=none", "-q", "-t", "made", "ctx"]);
    let config = site.inspect()["Config"].clone();
    let tree = site.bed.path("own-tree.tar");
    let export = export(site, &tree);
    site.bed
        .says(&export.iter().map(String::as_str).collect::<Vec<_>>());
    (config, tree_of(&tree))
}

/// What both say, leaving out what only one of them writes down.
fn comparable(config: &Value) -> Value {
    let keys = [
        "User",
        "ExposedPorts",
        "Env",
        "Cmd",
        "Entrypoint",
        "WorkingDir",
        "Volumes",
        "StopSignal",
        "Healthcheck",
        "OnBuild",
        "Shell",
    ];
    let mut all = serde_json::Map::new();
    for key in keys {
        let value = &config[key];
        let empty = [json!(null), json!([]), json!({}), json!("")].contains(value);
        let is_default = key == "WorkingDir" && value == "/";
        if !(empty || is_default) {
            all.insert(key.to_owned(), value.clone());
        }
    }
    let mut labels = config["Labels"].clone();
    if let Some(labels) = labels.as_object_mut() {
        labels.remove("io.buildah.version");
    }
    if labels.is_null() {
        labels = json!({});
    }
    all.insert("Labels".to_owned(), labels);
    Value::Object(all)
}

#[track_caller]
fn compare(name: &str, dockerfile: &str, fill: impl Fn(&Site)) {
    if !needs_met(&[Need::Tool("buildah")]) {
        return;
    }
    let Some(site) = Site::new() else { return };
    fill(&site);
    site.file("Dockerfile", dockerfile);
    let (config, tree) = own(&site);
    let (peer_config, peer_tree) = Peer::new(&site).build();
    assert_eq!(
        comparable(&config),
        comparable(&peer_config),
        "{name}: configuration"
    );
    for (path, line) in &tree {
        let theirs = peer_tree.get(path).map(String::as_str);
        assert_eq!(Some(line.as_str()), theirs, "{name}: {path}");
    }
    let more: Vec<_> = peer_tree
        .keys()
        .filter(|p| !tree.contains_key(*p))
        .collect();
    assert!(more.is_empty(), "{name}: only theirs has {more:?}");
}

#[test]
fn a_program_of_several_stages() {
    let text = "FROM base AS build\nARG MODE=debug\nWORKDIR /src\nCOPY src .\n\
        RUN cat *.c > all && echo $MODE >> all && chmod 750 all\n\
        FROM base\nLABEL kind=test\nENV HOME=/srv\nCOPY --from=build /src/all /usr/local/bin/tool\n\
        USER 1000\nEXPOSE 8080\nENTRYPOINT [\"tool\"]\nCMD [\"--help\"]\n";
    compare("stages", text, |site| {
        site.file("src/a.c", "a");
        site.file("src/b.c", "b");
        site.file("src/sub/c.c", "c");
    });
}

#[test]
fn files_of_every_kind() {
    let text = "FROM base\nCOPY a /one/\nCOPY a b /two/\nCOPY dir /three/\nCOPY *.txt /four/\n\
        COPY --chown=user:extra dir /five/\nCOPY --chown=12:34 a /six\nADD pack.tar /seven/\n\
        WORKDIR /eight/nine\nRUN ln -s a link && mkdir -p x/y && rm /etc/group && touch x/z\n";
    compare("files", text, |site| {
        site.file("a", "a");
        site.file("b", "b");
        site.file("c.txt", "c");
        site.file("d.txt", "d");
        site.file("dir/e/f", "f");
        std::os::unix::fs::symlink("f", site.path("dir/e/link")).unwrap();
        fs::hard_link(site.path("dir/e/f"), site.path("dir/e/same")).unwrap();
        let tar = Command::new("tar")
            .args(["-cf", "pack.tar", "--owner=7", "--group=8", "dir"])
            .current_dir(site.path(""))
            .status();
        assert!(tar.unwrap().success());
    });
}

#[test]
fn everything_that_can_be_set() {
    let text = "FROM base\nENV A=1 B=\"two words\"\nENV C=$A$B\nLABEL x=y z=\"q r\"\n\
        VOLUME /data /more\nWORKDIR /a\nWORKDIR b/c\nUSER user:extra\nSTOPSIGNAL SIGQUIT\n\
        HEALTHCHECK --interval=1m --timeout=3s --retries=4 CMD [\"true\"]\n\
        EXPOSE 1 2/udp\nCMD echo hello $A\nONBUILD RUN echo later\n";
    compare("settings", text, |_| {});
}
