//! Mounts, nodes and links with mount(8), mknod and ln.

use std::path::Path;

use super::quote::{inside, quote, quote_path};
use crate::plan::{Device, Filesystem, MountFlags, Overlay, Propagation, Target};
use crate::render::words::values::{mount_flags, travel};

/// The directory or file that is mounted on.
pub(super) fn mount_point(target: &Target) -> Vec<String> {
    let at = inside(&target.path);
    if !target.file {
        return vec![format!("mkdir -p {at}")];
    }
    let parent = target.path.parent().unwrap_or(Path::new("/"));
    vec![
        format!("mkdir -p {}", inside(parent)),
        format!("[ -e {at} ] || : > {at}"),
    ]
}

/// A new file system.
pub(super) fn new(fs: &Filesystem, target: &Target, flags: MountFlags) -> Vec<String> {
    let mut options: Vec<String> = mount_flags(flags);
    options.extend(fs.options.iter().map(option));
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(" -o {}", quote(&options.join(",")))
    };
    let (fstype, source, at) = (quote(&fs.fstype), quote(&fs.source), inside(&target.path));
    let mut lines = mount_point(target);
    if !fs.copy_up {
        lines.push(format!("mount -t {fstype}{options} {source} {at}"));
        return lines;
    }
    lines.extend([
        "fresh=$(mktemp -d)".to_owned(),
        format!("mount -t {fstype}{options} {source} \"$fresh\""),
        format!("cp -a {at}/. \"$fresh\""),
        format!("mount -n --move \"$fresh\" {at}"),
        "rmdir \"$fresh\"".to_owned(),
    ]);
    lines
}

/// Layers at the place of the root.
pub(super) fn overlay(overlay: &Overlay) -> String {
    // What separates layers and options must not be taken for that in a path.
    let path = |path: &Path| {
        let text = path.to_string_lossy().replace('\\', "\\\\");
        text.replace(':', "\\:").replace(',', "\\,")
    };
    let layers: Vec<String> = overlay.layers.iter().map(|l| path(l)).collect();
    let mut options = vec![format!("lowerdir={}", layers.join(":"))];
    if let Some(changes) = &overlay.changes {
        let (upper, work) = (path(&changes.upper), path(&changes.work));
        options.extend([format!("upperdir={upper}"), format!("workdir={work}")]);
        options.extend(changes.volatile.then(|| "volatile".to_owned()));
    }
    format!(
        "mount -t overlay -o {} overlay \"$root\"",
        quote(&options.join(","))
    )
}

/// mount(8) takes a value with a comma in quotation marks.
fn option((key, value): &(String, Option<String>)) -> String {
    match value {
        None => key.clone(),
        Some(v) if v.contains(',') => format!("{key}=\"{v}\""),
        Some(v) => format!("{key}={v}"),
    }
}

/// A part of the host.
pub(super) fn copy(source: &Path, recursive: bool, target: &Target) -> Vec<String> {
    let how = if recursive { "--rbind" } else { "--bind" };
    let mut lines = mount_point(target);
    lines.push(format!(
        "mount {how} {} {}",
        quote_path(source),
        inside(&target.path)
    ));
    lines
}

/// Flags of a mount that is there. A remount replaces them all, so those in
/// force come first: none that the host set is lost.
pub(super) fn change(at: &str, flags: MountFlags) -> Vec<String> {
    let own = MountFlags {
        set_below: 0,
        clear_below: 0,
        ..flags
    };
    let below = MountFlags {
        set: flags.set_below,
        clear: flags.clear_below,
        ..MountFlags::default()
    };
    let mut lines = Vec::new();
    let words = |flags| mount_flags(flags).join(",");
    if own != MountFlags::default() {
        lines.push(remount(at, &words(own)));
    }
    if below != MountFlags::default() {
        let each = remount("\"$each\"", &words(below));
        lines.push(format!(
            "findmnt -Rrno TARGET {at} | while read -r each; do {each}; done"
        ));
    }
    lines
}

fn remount(at: &str, words: &str) -> String {
    let now = format!("$(findmnt -rno VFS-OPTIONS -M {at} | tail -n 1)");
    format!("mount -o \"remount,bind,{now},{words}\" {at}")
}

/// How mount events travel, in order.
pub(super) fn propagation(at: &str, list: &[Propagation]) -> Vec<String> {
    let line = |p: &Propagation| format!("mount --make-{} {at}", travel(*p));
    list.iter().map(line).collect()
}

/// A device node. In a user namespace nobody may make one, so the host's is
/// bound there.
pub(super) fn device(d: &Device, user_namespace: bool) -> Vec<String> {
    let at = inside(&d.path);
    let parent = d.path.parent().unwrap_or(Path::new("/"));
    let mut lines = Vec::new();
    if parent != Path::new("/dev") {
        lines.push(format!("mkdir -p {}", inside(parent)));
    }
    if user_namespace && d.kind != libc::S_IFIFO {
        lines.push(format!(": > {at}"));
        lines.push(format!("mount --bind {} {at}", quote_path(&d.path)));
        return lines;
    }
    let kind = match d.kind {
        libc::S_IFIFO => "p".to_owned(),
        libc::S_IFBLK => format!("b {} {}", d.major, d.minor),
        _ => format!("c {} {}", d.major, d.minor),
    };
    lines.push(format!("rm -f {at}"));
    lines.push(format!("mknod -m {:04o} {at} {kind}", d.mode));
    if (d.uid, d.gid) != (0, 0) {
        lines.push(format!("chown {}:{} {at}", d.uid, d.gid));
    }
    lines
}

/// A symbolic link.
pub(super) fn link(path: &Path, target: &Path) -> Vec<String> {
    vec![format!("ln -sfn {} {}", quote_path(target), inside(path))]
}

/// An empty thing over one that is there.
pub(super) fn mask(path: &Path) -> String {
    let at = inside(path);
    let remount = remount(&at, "ro,nosuid,noexec");
    format!(
        "if [ -d {at} ]; then mount -t tmpfs -o ro,size=0,nr_inodes=2 tmpfs {at}; \
         elif [ -e {at} ]; then mount --bind /dev/null {at}; {remount}; fi"
    )
}

/// A path over itself, read-only.
pub(super) fn protect(path: &Path) -> String {
    let at = inside(path);
    let remount = remount(&at, "ro");
    format!("if [ -e {at} ]; then mount --rbind {at} {at}; {remount}; fi")
}

/// The root mount, read-only.
pub(super) fn protect_root() -> String {
    remount("\"$root\"", "ro")
}
