//! What rcon cannot do yet is refused, and leaves nothing behind.

mod common;
use common::store::StoreBed;

#[test]
fn what_is_not_there_is_refused() {
    let Some(bed) = StoreBed::new() else { return };
    let root = bed.rootfs("");
    let root = root.to_str().unwrap();
    let device = ["run", "--device", "vendor.com/gpu=all", "--rootfs", root];
    let out = bed.rcon(&[&device[..], &["true"]].concat()).code(125);
    assert!(out.stderr.contains("CDI"), "{out}");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    let out = bed.rcon(&["logs", "--details", "any"]).code(1);
    assert!(out.stderr.contains("no attributes"), "{out}");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    let out = bed
        .rcon(&["run", "--pull", "never", "nobody", "true"])
        .code(125);
    assert!(out.stderr.contains("No such image: nobody"), "{out}");
    assert_eq!(bed.says(&["ps", "-aq"]), "");
}
