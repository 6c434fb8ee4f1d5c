use super::*;
use proptest::prelude::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Domain, path, tag and digest of a name.
fn parts(text: &str) -> (String, String, Option<String>, Option<String>) {
    let r = Reference::parse(text).unwrap();
    (
        r.domain().to_owned(),
        r.path().to_owned(),
        r.tag().map(str::to_owned),
        r.digest().map(Digest::to_string),
    )
}

#[test]
fn names_are_read_as_docker_reads_them() {
    for (text, domain, path, tag) in [
        ("busybox", "docker.io", "library/busybox", None),
        ("busybox:1.36", "docker.io", "library/busybox", Some("1.36")),
        ("team/app", "docker.io", "team/app", None),
        ("docker.io/busybox", "docker.io", "library/busybox", None),
        ("index.docker.io/a/b", "docker.io", "a/b", None),
        ("localhost/app", "localhost", "app", None),
        ("localhost:5000/app", "localhost:5000", "app", None),
        ("host:5000/a/b:t", "host:5000", "a/b", Some("t")),
        ("quay.io/a/b", "quay.io", "a/b", None),
        ("Host/app", "Host", "app", None),
        ("[::1]:5000/app:x", "[::1]:5000", "app", Some("x")),
        ("a__b/c-d.e--f", "docker.io", "a__b/c-d.e--f", None),
        ("busybox:_X", "docker.io", "library/busybox", Some("_X")),
    ] {
        let tag = tag.map(str::to_owned);
        let want = (domain.to_owned(), path.to_owned(), tag, None);
        assert_eq!(parts(text), want, "{text}");
    }
}

#[test]
fn a_digest_may_follow_a_tag() {
    let (_, path, tag, digest) = parts(&format!("app:1@sha256:{HEX}"));
    assert_eq!((path.as_str(), tag.as_deref()), ("library/app", Some("1")));
    assert_eq!(digest, Some(format!("sha256:{HEX}")));
}

#[test]
fn what_is_no_name_is_refused() {
    let long = format!("a/{}", "b".repeat(255));
    let port = "host:99999/a";
    for text in [
        "",
        ":",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/B",
        "a:",
        "a:-x",
        "a:.x",
        "a@",
        "a b",
        "a\n",
        "a..b",
        "a___b",
        "a-",
        "-a",
        "_a",
        "a@sha256:12",
        "a@md5:12",
        "a:b:c",
        "../a",
        "a/../b",
        "host:/a",
        port,
        "ho_st.x/a",
        "-host.x/a",
        "[::g]:1/a",
        HEX,
        &long,
        "é",
        "https://x/a",
    ] {
        let e = Reference::parse(text).unwrap_err();
        assert!(e.to_string().contains("invalid image name"), "{text:?}");
    }
    let upper = Reference::parse("a/B").unwrap_err().to_string();
    assert!(upper.contains("lower case"), "{upper}");
}

#[test]
fn shown_short_and_in_full() {
    for (text, short, full) in [
        ("busybox", "busybox", "docker.io/library/busybox"),
        ("docker.io/library/a:1", "a:1", "docker.io/library/a:1"),
        ("docker.io/a/b", "a/b", "docker.io/a/b"),
        (
            "docker.io/library/a/b",
            "library/a/b",
            "docker.io/library/a/b",
        ),
        ("h.x/library/a", "h.x/library/a", "h.x/library/a"),
        // Short, each of them would be the name of something else.
        ("docker.io/a.b/c", "docker.io/a.b/c", "docker.io/a.b/c"),
        (
            "docker.io/localhost/c",
            "docker.io/localhost/c",
            "docker.io/localhost/c",
        ),
        (
            &format!("docker.io/{HEX}"),
            &format!("docker.io/library/{HEX}"),
            &format!("docker.io/library/{HEX}"),
        ),
    ] {
        let r = Reference::parse(text).unwrap();
        assert_eq!((r.to_string().as_str(), r.full().as_str()), (short, full));
        assert_eq!(Reference::parse(short).unwrap(), r);
    }
    let latest = Reference::parse("busybox").unwrap().or_latest();
    assert_eq!(latest.to_string(), "busybox:latest");
}

#[test]
fn docker_hub_is_spoken_to_elsewhere() {
    let host = |text| Reference::parse(text).unwrap().host().to_owned();
    assert_eq!(host("busybox"), "registry-1.docker.io");
    assert_eq!(host("index.docker.io/x"), "registry-1.docker.io");
    assert_eq!(host("quay.io/x"), "quay.io");
}

#[test]
fn another_tag_or_digest() {
    let r = Reference::parse("a:1").unwrap();
    assert_eq!(r.with_tag("2").unwrap().to_string(), "a:2");
    assert!(r.with_tag("-").is_err());
    let d = Digest::of(b"");
    assert_eq!(r.with_digest(d).to_string(), format!("a@sha256:{HEX}"));
    assert_eq!(r.repository().to_string(), "a");
    assert_eq!(r.repository().identifier(), "latest");
}

#[test]
fn digests_are_strict() {
    assert_eq!(Digest::of(b"").hex(), HEX);
    let long = "0".repeat(128);
    assert!(Digest::parse(&format!("sha512:{long}")).is_ok());
    for text in [
        "sha256:../x",
        "sha256:",
        "sha256",
        &HEX[..12],
        &format!("sha256:{}", HEX.to_uppercase()),
        &format!("sha256:{HEX}0"),
        &format!("sha256:{}", &HEX[1..]),
        &format!("sha512:{HEX}"),
        &format!("SHA256:{HEX}"),
        &format!("md5:{HEX}"),
        &format!("sha256:{}/", &HEX[1..]),
    ] {
        assert!(Digest::parse(text).is_err(), "{text}");
    }
}

#[test]
fn sums_of_pieces_are_the_sum_of_the_whole() {
    let mut h = Hasher::new(Algorithm::Sha512);
    h.update(b"a");
    h.update(b"bc");
    let d = h.finish().to_string();
    assert!(
        d.starts_with("sha512:ddaf35a193617abacc417349ae204131"),
        "{d}"
    );
}

prop_compose! {
    fn component()(text in "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}") -> String { text }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,40}|[a-z:/@.\\[\\]-]{0,30}") {
        if let Ok(r) = Reference::parse(&text) {
            // What was read is shown, and what is shown is read the same.
            prop_assert_eq!(&Reference::parse(&r.full()).unwrap(), &r);
            prop_assert_eq!(&Reference::parse(&r.familiar()).unwrap(), &r);
        }
    }

    #[test]
    fn what_the_grammar_allows_is_read(
        host in prop::option::of("[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){1,2}(:[1-9][0-9]{0,3})?"),
        path in prop::collection::vec(component(), 1..4),
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        sum in prop::option::of("[0-9a-f]{64}"),
    ) {
        let mut text = host.as_ref().map_or(String::new(), |h| format!("{h}/"));
        text += &path.join("/");
        if host.is_none() && path.len() > 1 && (path[0].contains('.') || path[0] == "localhost") {
            return Ok(());
        }
        if let Some(tag) = &tag { text = text + ":" + tag; }
        if let Some(sum) = &sum { text = text + "@sha256:" + sum; }
        if host.is_none() && text.len() == 64 { return Ok(()); }
        let r = Reference::parse(&text).unwrap();
        prop_assert_eq!(r.tag(), tag.as_deref());
        prop_assert_eq!(r.digest().map(Digest::hex), sum.as_deref());
        prop_assert!(r.path().ends_with(&path.join("/")));
        prop_assert_eq!(&Reference::parse(&r.familiar()).unwrap(), &r);
    }

    #[test]
    fn any_digest_is_survived(text in "\\PC{0,80}|sha256:[0-9a-fA-F./]{60,66}") {
        if let Ok(d) = Digest::parse(&text) {
            prop_assert_eq!(d.to_string(), text);
            prop_assert!(d.hex().bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
