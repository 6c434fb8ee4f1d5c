#!/bin/sh
# What the recipes beside this file share. Read one of them first: `busybox` is
# the shortest, `python` an ordinary one.
#
# A recipe fills a directory with files, says how its program is to be started,
# and ends. All that makes an image of it is here, and it is not much: an image
# is an archive of files (the layer), a JSON document that says how to run what
# is in them (the configuration), a second one that names these two (the
# manifest), and each is stored under the sum of its bytes.
#
# The same packages give the same image, to the last bit, whenever and wherever
# it is made. For that, everything is sorted, no file is newer than the newest
# package, and what differs from run to run (caches, logs, machine ids) goes.

# shellcheck disable=SC2034 # the recipes use what is set here

# ---- What is typed -----------------------------------------------------------

# The recipe's first comment is its help.
help() {
    awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
    cat <<'END'

Options:
  --output FILE     write an OCI archive instead of loading it into rcon
  --rootfs DIR      leave the files in DIR instead: rcon run --rootfs DIR:O ...
END
    if [ "${from_packages:-}" ]; then
        cat <<'END'
  --with "PKG ..."  further packages of Debian's to install
  --suite NAME      the Debian release to take [default: that of this machine]
END
    fi
    cat <<'END'
  --help            this

SOURCE_DATE_EPOCH, if set, is the newest time a file may have (in seconds since
1970); otherwise it is that of the newest package. RCON names the rcon to load
the image into; otherwise it is the one built here, or the one in PATH.
END
}

# One line about what is wrong with the command line, or with this machine.
refuse() {
    echo "${0##*/}: $1" >&2
    exit "${2:-1}"
}

step() {
    echo "== $*" >&2
}

options() {
    output='' rootfs='' extra='' suite=''
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help)
                help
                exit 0
                ;;
            --output=* | --rootfs=* | --with=* | --suite=*)
                option "${1%%=*}" "${1#*=}"
                shift
                ;;
            --output | --rootfs | --with | --suite)
                [ $# -gt 1 ] || refuse "$1 wants a value; --help tells more" 2
                option "$1" "$2"
                shift 2
                ;;
            *) refuse "unknown argument: $1; --help tells what there is" 2 ;;
        esac
    done
    [ -z "$output" ] || [ -z "$rootfs" ] ||
        refuse '--output and --rootfs exclude each other' 2
}

option() {
    [ -n "$2" ] || refuse "$1 wants a value; --help tells more" 2
    case $1 in
        --output) output=$2 ;;
        --rootfs) rootfs=$2 ;;
        *)
            [ "${from_packages:-}" ] ||
                refuse "unknown argument: $1; --help tells what there is" 2
            case $1 in
                --with) extra=$(plain "$1" "$2") || exit ;;
                --suite) suite=$(plain "$1" "$2") || exit ;;
            esac
            ;;
    esac
}

# Names go into documents and command lines: what is in no name is refused.
plain() {
    case $2 in
        -* | *[!a-zA-Z0-9.+:=~_\ -]*) refuse "$1: $2 cannot be a name" 2 ;;
    esac
    printf '%s' "$2"
}

# Every recipe begins with this: `begin "$@"`. Afterwards $tree is an empty
# directory, and whatever happens, nothing of it stays.
begin() {
    options "$@"
    [ "$(id -u)" = 0 ] || refuse 'this wants root: the files in the image belong to root'
    if [ -n "$rootfs" ] && [ -e "$rootfs" ]; then
        [ -d "$rootfs" ] || refuse "$rootfs is there already, and no directory"
        [ -z "$(ls -A "$rootfs")" ] || refuse "$rootfs is there already and not empty"
    fi
    [ -n "$output$rootfs" ] || find_rcon
    started=$(date +%s)
    child=''
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # Beside where the files are to go: then they need not be copied there.
    if [ -n "$rootfs" ]; then
        mkdir -p "$(dirname "$rootfs")"
        work=$(mktemp -d "$(dirname "$rootfs")/.rcon-rootfs.XXXXXX")
    else
        work=$(mktemp -d "${TMPDIR:-/var/tmp}/rcon-rootfs.XXXXXX")
    fi
    tree=$work/tree
    mkdir "$tree"
}

clean_up() {
    if [ -n "$child" ]; then
        # All of its group: it has started others. Their mounts are in a
        # namespace of their own, which ends with them. Whoever does not listen
        # for five seconds is not asked again.
        kill -s TERM -- "-$child" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -s 0 -- "-$child" 2>/dev/null || break
            sleep 0.1
        done
        kill -s KILL -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    [ -z "${work:-}" ] || rm -rf --one-file-system "$work"
}

# Runs what takes long, such that an interruption is heeded at once: a shell
# does so only while it waits.
patiently() {
    setsid "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=''
    return "$status"
}

# ---- The files ---------------------------------------------------------------

# packages NAME...: fills the tree with Debian's smallest system and these.
packages() {
    command -v mmdebstrap >/dev/null || refuse 'mmdebstrap is missing: apt-get install mmdebstrap'
    [ -n "$suite" ] || suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2086 # a list of words
    list=$(printf '%s,' "$@" $extra)
    step "installing Debian $suite with ${list%,}"
    # Newer releases have /bin in /usr from the start; without this package
    # they would install Perl to be able to move it there.
    case $suite in
        buster | bullseye | focal | jammy) ;;
        *) list=usr-is-merged,$list ;;
    esac
    # mmdebstrap is apt, asked to install into an empty directory. minbase is
    # what Debian calls essential, and apt. Manuals and translations are left
    # out, as in the slim images; so is what packages merely recommend.
    set -- --quiet --variant=minbase --include="${list%,}" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
        "$suite" "$tree"
    # This machine's mirror, if it serves the same release.
    for sources in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        if grep -qsw "$suite" "$sources"; then
            set -- "$@" "$sources"
            break
        fi
    done
    if ! patiently env TMPDIR="$work" mmdebstrap "$@" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        refuse 'mmdebstrap failed: what it said is above'
    fi
    forget_this_run
}

# Takes away what differs from one installation to the next, and what is of no
# use in an image.
forget_this_run() {
    # A container gets its own devices.
    find "$tree/dev" "$tree/run" "$tree/tmp" "$tree/var/tmp" -mindepth 1 -delete
    find "$tree/var/log" -type f -delete
    find "$tree/var/lib/apt/lists" "$tree/var/cache/apt" "$tree/var/cache/ldconfig" \
        "$tree/var/cache/fontconfig" "$tree/var/cache/man" \
        -type f -delete 2>/dev/null || true
    rm -f "$tree"/var/lib/dpkg/*-old "$tree"/var/lib/dpkg/lock* "$tree"/var/cache/debconf/*-old
    rm -f "$tree"/etc/passwd- "$tree"/etc/group- "$tree"/etc/shadow- "$tree"/etc/gshadow- \
        "$tree"/etc/subuid- "$tree"/etc/subgid- "$tree/etc/.pwd.lock"
    # Whose they are is not known yet; a container is given its own.
    rm -f "$tree/etc/machine-id" "$tree/var/lib/dbus/machine-id" \
        "$tree/etc/resolv.conf" "$tree/etc/hostname"
    rm -f "$tree/var/lib/systemd/catalog/database" "$tree/var/lib/systemd/random-seed"
    # When a password was set: the day of the installation, for all of them.
    if [ -e "$tree/etc/shadow" ]; then
        day=$(($(newest) / 86400))
        sed -i -E "s/^([^:]*:[^:]*:)[0-9]+:/\1$day:/" "$tree/etc/shadow"
    fi
}

# The time of the newest package: of the lists of sums that packages come with,
# which keep the time they were built at.
newest() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    else
        find "$tree/var/lib/dpkg/info" -name '*.md5sums' -printf '%Ts\n' | sort -n | tail -n 1
    fi
}

# The version of an installed package, without Debian's own part of it.
version_of() {
    dpkg-query --admindir="$tree/var/lib/dpkg" --show --showformat='${Version}' "$1" |
        sed -e 's/^[0-9]*://' -e 's/[-+].*//'
}

# ---- The image ---------------------------------------------------------------

# A tar archive of a directory that is the same for the same files.
archive() {
    tar --create --directory "$1" --format=posix \
        --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
        --sort=name --mtime="@$date" --clamp-mtime --numeric-owner \
        --xattrs --xattrs-include='security.capability' .
}

# blob FILE MEDIA-TYPE: moves a file to where its sum is its name. $descriptor is
# how other documents name it, $digest its sum, $size its length.
blob() {
    digest=sha256:$(sha256sum "$1" | cut -d ' ' -f 1)
    size=$(stat --format=%s "$1")
    mv "$1" "$work/image/blobs/sha256/${digest#*:}"
    descriptor="\"mediaType\":\"$2\",\"digest\":\"$digest\",\"size\":$size"
}

# What Go, and so every image, calls this machine's processor.
architecture() {
    case $(dpkg --print-architecture) in
        armhf | armel) echo arm ;;
        i386) echo 386 ;;
        ppc64el) echo ppc64le ;;
        *) dpkg --print-architecture ;;
    esac
}

# finish CONFIG NAME...: makes an image of the tree, and brings it to where it
# was asked for. CONFIG is the part of the configuration that says how to start
# the program; the names are what the image is called.
finish() {
    config=$1
    shift
    date=${date:-$(newest)}
    if [ -n "$rootfs" ]; then
        [ ! -d "$rootfs" ] || rmdir "$rootfs"
        mv "$tree" "$rootfs"
        step "the files are in $rootfs; try: rcon run --rm -it --rootfs $rootfs:O sh"
        return
    fi
    step 'packing'
    mkdir -p "$work/image/blobs/sha256"
    archive "$tree" >"$work/layer"
    # Not compressed: it is not going anywhere.
    blob "$work/layer" application/vnd.oci.image.layer.v1.tar
    layer=$descriptor diff_id=$digest layer_size=$size
    created=$(date --utc --date="@$date" +%Y-%m-%dT%H:%M:%SZ)
    made_by=rootfs-tools/${0##*/}
    [ -z "$extra" ] || made_by="$made_by --with '$extra'"
    cat >"$work/config" <<END
{"created":"$created","architecture":"$(architecture)","os":"linux",
"config":$config,
"rootfs":{"type":"layers","diff_ids":["$diff_id"]},
"history":[{"created":"$created","created_by":"$made_by"}]}
END
    blob "$work/config" application/vnd.oci.image.config.v1+json
    cat >"$work/manifest" <<END
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{$descriptor},
"layers":[{$layer}]}
END
    blob "$work/manifest" application/vnd.oci.image.manifest.v1+json
    name_it "$@" >"$work/image/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
    archive "$work/image" >"$work/image.tar"
    bring "$@"
}

# The index is the way in: one line for each name, all for the same manifest.
# Two annotations, because tools have not agreed on one.
name_it() {
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":['
    comma=''
    for name in "$@"; do
        case $name in
            */*) full=docker.io/$name ;;
            *) full=docker.io/library/$name ;;
        esac
        printf '%s\n{%s,"annotations":{"org.opencontainers.image.ref.name":"%s","io.containerd.image.name":"%s"}}' \
            "$comma" "$descriptor" "$full" "$full"
        comma=,
    done
    printf '\n]}\n'
}

bring() {
    if [ -n "$output" ]; then
        mv "$work/image.tar" "$output"
        step "$output: an OCI archive; load it with: rcon load --input $output"
    else
        patiently "$rcon" load --input "$work/image.tar"
    fi
    step "$* ($digest): $((layer_size / 1000000)) MB, $(($(date +%s) - started)) s"
}

find_rcon() {
    rcon=${RCON:-}
    here=$(cd "$(dirname "$0")/.." && pwd)
    [ -n "$rcon" ] || rcon=$(find "$here"/target/*/release/rcon 2>/dev/null | head -n 1)
    [ -n "$rcon" ] || rcon=$(command -v rcon || true)
    [ -x "$rcon" ] ||
        refuse 'there is no rcon: build it with cargo build --release, or use --output or --rootfs'
}
