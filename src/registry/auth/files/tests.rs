use super::*;

fn find_in(config: &Value, domain: &str, path: &str) -> Option<String> {
    let found = in_config(config.as_object().unwrap(), domain, path).unwrap();
    found.map(|c| match c {
        Credentials::Password { user, password } => format!("{user}:{password}"),
        Credentials::Token(token) => format!("token {token}"),
    })
}

fn auth(text: &str) -> Value {
    json!({ "auth": STANDARD.encode(text) })
}

#[test]
fn the_most_exact_entry_counts() {
    let config = json!({"auths": {
        "h:5000": auth("host:1"),
        "h:5000/team": auth("team:2"),
        "h:5000/team/app": auth("app:3"),
        "https://index.docker.io/v1/": auth("hub:a:b"),
        "https://quay.io": {"username": "u", "password": "p"},
        "tok.net": {"identitytoken": "t", "auth": STANDARD.encode("x:y")},
        "empty.net": {},
    }});
    for (domain, path, want) in [
        ("h:5000", "team/app", Some("app:3")),
        ("h:5000", "team/other", Some("team:2")),
        ("h:5000", "else", Some("host:1")),
        ("h:5001", "else", None),
        ("docker.io", "library/busybox", Some("hub:a:b")),
        ("quay.io", "a/b", Some("u:p")),
        ("tok.net", "a", Some("token t")),
        ("empty.net", "a", None),
        ("unknown.net", "h:5000", None),
    ] {
        assert_eq!(
            find_in(&config, domain, path).as_deref(),
            want,
            "{domain}/{path}"
        );
    }
}

#[test]
fn a_broken_entry_is_told() {
    for text in ["!", "eA=="] {
        let config = json!({"auths": {"h": {"auth": text}}});
        assert!(in_config(config.as_object().unwrap(), "h", "a").is_err());
    }
}

/// A directory that goes away with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = format!("rcon-test-auth-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(dir);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_password_is_kept_and_forgotten_and_the_rest_stays() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new("keep");
    let file = dir.0.join("sub/config.json");
    let files = [file.clone()];
    assert_eq!(
        keep(&file, "docker.io", "me", "s:ecret").unwrap(),
        Kept::File(file.clone())
    );
    // The directory is made for passwords, and nobody else needs a look at it.
    for (path, want) in [(file.as_path(), 0o600), (file.parent().unwrap(), 0o700)] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, want, "{path:?}");
    }
    let mut config = read(&file).unwrap();
    assert!(config["auths"].get(DOCKER_HUB_KEY).is_some());
    config.insert("psFormat".into(), json!("x"));
    write(&file, &config).unwrap();
    let Some(Credentials::Password { user, password }) = find(&files, "docker.io", "a").unwrap()
    else {
        panic!("nothing kept")
    };
    assert_eq!((user.as_str(), password.as_str()), ("me", "s:ecret"));
    assert!(forget(&files, "docker.io").unwrap());
    assert!(!forget(&files, "docker.io").unwrap());
    assert!(find(&files, "docker.io", "a").unwrap().is_none());
    assert_eq!(read(&file).unwrap()["psFormat"], json!("x"));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_link_to_the_file_stays_one() {
    let dir = Dir::new("link");
    let real = dir.0.join("real.json");
    fs::write(&real, "{}").unwrap();
    let link = dir.0.join("config.json");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    keep(&link, "h", "u", "p").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("auths"));
}

#[test]
fn what_is_no_config_is_told_with_its_name() {
    let dir = Dir::new("broken");
    let file = dir.0.join("config.json");
    fs::write(&file, "{").unwrap();
    let e = find(&[file], "h", "a").unwrap_err().to_string();
    assert!(e.contains("config.json"), "{e}");
}

#[test]
fn a_helper_of_its_own_comes_before_the_common_one() {
    let config = json!({"credsStore": "common", "credHelpers": {"h:1": "own", "e": ""}});
    let config = config.as_object().unwrap();
    assert_eq!(helper_for(config, "h:1").as_deref(), Some("own"));
    assert_eq!(helper_for(config, "x").as_deref(), Some("common"));
    assert_eq!(helper_for(config, "e"), None);
    let e = helper::get("../../bin/sh", "h").unwrap_err().to_string();
    assert!(e.contains("cannot be a credential helper"), "{e}");
}
