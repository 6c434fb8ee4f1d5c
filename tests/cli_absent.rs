//! What rcon cannot do yet is refused, and leaves nothing behind.

mod common;
use common::store::StoreBed;

#[test]
fn what_is_not_there_is_refused() {
    let Some(bed) = StoreBed::new() else { return };
    let root = bed.rootfs("");
    let root = root.to_str().unwrap();
    for (flags, part) in [
        (&["--device", "vendor.com/gpu=all"][..], "CDI"),
        (
            &["--mount", "type=image,src=tools,dst=/tools"],
            "images cannot be mounted",
        ),
    ] {
        let args = [&["run"], flags, &["--rootfs", root, "true"]].concat();
        let out = bed.rcon(&args).code(125);
        assert!(out.stderr.contains(part), "{flags:?}: {out}");
        assert_eq!(out.stderr.lines().count(), 1, "{out}");
    }
    let out = bed.rcon(&["logs", "--details", "any"]).code(1);
    assert!(out.stderr.contains("no attributes"), "{out}");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    let out = bed
        .rcon(&["run", "--pull", "never", "nobody", "true"])
        .code(125);
    assert!(out.stderr.contains("No such image: nobody"), "{out}");
    assert_eq!(bed.says(&["ps", "-aq"]), "");
}
