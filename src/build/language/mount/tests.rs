use super::*;
use crate::build::language::expand::Lookup;

fn word(text: &str) -> Word {
    Word {
        text: text.to_owned(),
        span: Span::default(),
    }
}

fn resolved_by(text: &str, lookup: &Lookup<'_>) -> Result<MountSpec> {
    let expander = Expander {
        escape: '\\',
        lookup,
    };
    parse(&word(text), '\\')?.resolve(&expander)
}

fn resolved(text: &str) -> Result<MountSpec> {
    resolved_by(text, &|_| None)
}

#[test]
fn binds() {
    let bind = |from: Option<&str>, source: &str, writable| MountSpec::Bind {
        from: from.map(str::to_owned),
        source: source.to_owned(),
        target: "/t".to_owned(),
        writable,
    };
    for (text, want) in [
        ("target=/t", bind(None, "/", false)),
        ("type=bind,target=/t,source=a/b", bind(None, "a/b", false)),
        ("TYPE=Bind,dst=/t,src=a", bind(None, "a", false)),
        ("destination=/t,from=build", bind(Some("build"), "/", false)),
        ("target=/t,rw", bind(None, "/", true)),
        ("target=/t,readwrite=true", bind(None, "/", true)),
        ("target=/t,ro=false", bind(None, "/", true)),
        ("target=/t,readonly", bind(None, "/", false)),
        (
            "\"target=/t\",\"src=a,\"\"b\"\"\"",
            bind(None, "a,b", false),
        ),
        ("target=/t,z", bind(None, "/", false)),
    ] {
        assert_eq!(resolved(text), Ok(want), "{text}");
    }
}

#[test]
fn caches() {
    let plain = MountSpec::Cache {
        id: "/root/.cache".to_owned(),
        target: "/root/.cache/".to_owned(),
        read_only: false,
        sharing: Sharing::Shared,
        from: None,
        source: None,
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    assert_eq!(resolved("type=cache,target=/root/.cache/"), Ok(plain));
    let full = "type=cache,target=/c,id=x,ro,sharing=LOCKED,from=s,source=d,mode=0700,uid=5,gid=6";
    let want = MountSpec::Cache {
        id: "x".to_owned(),
        target: "/c".to_owned(),
        read_only: true,
        sharing: Sharing::Locked,
        from: Some("s".to_owned()),
        source: Some("d".to_owned()),
        mode: 0o700,
        uid: 5,
        gid: 6,
    };
    assert_eq!(resolved(full), Ok(want));
}

#[test]
fn tmpfs() {
    for (text, size) in [
        ("type=tmpfs,target=/t", None),
        ("type=tmpfs,target=/t,size=64m", Some(64 << 20)),
    ] {
        let target = "/t".to_owned();
        assert_eq!(resolved(text), Ok(MountSpec::Tmpfs { target, size }));
    }
}

#[test]
fn secrets() {
    let secret = |id: &str, target: Option<&str>, env: Option<&str>| MountSpec::Secret {
        id: id.to_owned(),
        target: target.map(str::to_owned),
        env: env.map(str::to_owned),
        required: false,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    for (text, want) in [
        ("id=a", secret("a", Some("/run/secrets/a"), None)),
        ("source=a", secret("a", Some("/run/secrets/a"), None)),
        ("id=d/a", secret("d/a", Some("/run/secrets/a"), None)),
        ("target=/x/npmrc", secret("npmrc", Some("/x/npmrc"), None)),
        ("id=a,env=TOKEN", secret("a", None, Some("TOKEN"))),
        ("id=a,env=", secret("a", None, Some("a"))),
        ("id=a,env=T,target=/t", secret("a", Some("/t"), Some("T"))),
    ] {
        assert_eq!(resolved(&format!("type=secret,{text}")), Ok(want), "{text}");
    }
    // The type counts wherever it stands.
    let got = resolved("required,id=a,mode=0444,uid=1,gid=2,type=secret").unwrap();
    let MountSpec::Secret {
        required,
        mode,
        uid,
        gid,
        ..
    } = got
    else {
        panic!("{got:?}");
    };
    assert_eq!((required, mode, uid, gid), (true, 0o444, 1, 2));
}

#[test]
fn agents() {
    let ssh = |id: &str, target: Option<&str>, required| MountSpec::Ssh {
        id: id.to_owned(),
        target: target.map(str::to_owned),
        required,
        mode: 0o600,
        uid: 0,
        gid: 0,
    };
    assert_eq!(resolved("type=ssh"), Ok(ssh("default", None, false)));
    let full = "type=ssh,id=k,target=/s,required=true";
    assert_eq!(resolved(full), Ok(ssh("k", Some("/s"), true)));
}

#[test]
fn variables_are_worked_out_late() {
    let text = "type=cache,target=${d:-/c}/$x,id=c-$x,uid=$u";
    let lookup = |name: &str| match name {
        "x" => Some("v".to_owned()),
        "u" => Some("7".to_owned()),
        _ => None,
    };
    let got = resolved_by(text, &lookup).unwrap();
    let MountSpec::Cache {
        id, target, uid, ..
    } = got
    else {
        panic!("{got:?}");
    };
    assert_eq!((id.as_str(), target.as_str(), uid), ("c-v", "/c/v", 7));
    let e = resolved_by("target=/t,type=$x", &lookup).unwrap_err();
    assert!(e.message.contains("type \"v\""), "{e:?}");
}

#[test]
fn what_cannot_be() {
    for (text, why) in [
        ("type=bind", "needs a target"),
        ("type=bind,target=", "needs a target"),
        ("type=bind,target=/", "place of /"),
        ("type=bind,target=/./", "place of /"),
        ("type=volume,target=/t", "no mount of type \"volume\""),
        ("type=cahce,target=/t", "no mount of type \"cahce\""),
        ("tagret=/t", "no \"tagret\""),
        ("target", "target needs a value"),
        ("type=bind,target=/t,required", "bind has no required"),
        ("type=bind,target=/t,size=1m", "bind has no size"),
        ("type=bind,target=/t,uid=1", "bind has no uid"),
        ("type=bind,target=/t,sharing=locked", "bind has no sharing"),
        ("type=secret,id=a,from=x", "secret has no from"),
        ("type=ssh,source=x", "ssh has no source"),
        ("type=secret", "which secret"),
        ("type=secret,id=a,source=b", "the same"),
        ("type=cache,target=/t,sharing=all", "cannot be \"all\""),
        ("type=cache,target=/t,mode=999", "mode cannot be \"999\""),
        ("type=cache,target=/t,mode=17777", "mode cannot be"),
        ("type=cache,target=/t,uid=-1", "uid cannot be \"-1\""),
        ("type=cache,target=/t,uid=+1", "uid cannot be \"+1\""),
        ("type=cache,target=/t,uid=4294967296", "uid cannot be"),
        ("type=tmpfs,target=/t,size=much", "invalid size"),
        ("target=/t,ro=maybe", "readonly cannot be \"maybe\""),
        ("target=/t,from=$x", "from cannot hold a variable"),
        ("target=/t,from=", "from needs a value"),
        ("\"target=/t", "quote is not closed"),
    ] {
        let e = parse(&word(text), '\\').unwrap_err();
        assert!(e.message.contains(why), "{text}: {e:?}");
    }
    let e = parse(&word("type=cahce,target=/t"), '\\').unwrap_err();
    assert_eq!(e.hint.as_deref(), Some("did you mean cache?"));
    let e = parse(&word("tagret=/t"), '\\').unwrap_err();
    assert_eq!(e.hint.as_deref(), Some("did you mean target?"));
}

#[test]
fn one_cache_has_one_name() {
    for path in ["/a/b", "/a//b/", "/a/./c/../b"] {
        let got = resolved(&format!("type=cache,target={path}")).unwrap();
        let MountSpec::Cache { id, .. } = got else {
            panic!("{got:?}");
        };
        assert_eq!(id, "/a/b", "{path}");
    }
}
