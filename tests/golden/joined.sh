#!/bin/sh
# A container by hand: the steps of the plan, in order, with plain tools.
# Run it as root, from a file, in the bundle's directory.
#
# It resolves paths by name, where rcon goes by descriptor. An image can make
# any of its paths a link to somewhere else: this is a lesson, not a tool for
# images you do not trust.
#
# A shell that pivots into a root without tools could not go on. So the root is
# moved over / instead, as an initramfs does it, and entered by the last
# command.
set -eu
for tool in awk capsh env hostname ln mkdir mkfifo mktemp mount nsenter setsid tee timeout unshare; do
  command -v "$tool" > /dev/null || { echo "this script needs $tool" >&2; exit 127; }
done
capsh=$(command -v capsh)
export capsh
status=0
started=
run=

# Takes back what was made, however the script ends. The cgroups that it made
# are its positional parameters.
clean() {
  [ -z "$started" ] || kill -KILL "$started" 2> /dev/null || :
  [ -z "$run" ] || rm -r "$run"
  for dir in "$@"; do
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      if rmdir "$dir" 2> /dev/null; then break; else sleep 0.1; fi
    done
  done
}
set --
trap 'clean "$@"' EXIT

# The two processes tell each other how far they are through pipes.
run=$(mktemp -d)
chmod 711 "$run"
export run
tell() { echo | timeout 30 tee "$run/$1" > /dev/null; }
hear() { timeout 30 cat "$run/$1"; }
exec 3<&0
mkfifo -m 666 "$run/joiner"
mkfifo -m 666 "$run/init"

# 1. copy the tree /host/bundle/rootfs as the container's root (rslave)
#     a mount of its own, so that it can be entered and left as a whole
#     (nothing to type: a shell cannot hold a mount that has no place; it is made where it goes)

# 2. open the user namespace /proc/77/ns/user
#     opened now, while its path can be reached, and checked to be of the right kind
#     (nothing to type: nsenter opens it, further down)

# 3. open the pid namespace /proc/77/ns/pid
#     opened now, while its path can be reached, and checked to be of the right kind
#     (nothing to type: nsenter opens it, further down)

# 4. open the network namespace "/run/netns/a b"
#     opened now, while its path can be reached, and checked to be of the right kind
#     (nothing to type: nsenter opens it, further down)

# 5. make the cgroup /sys/fs/cgroup/user.slice/example
#     before the first process, so that none ever runs without limits
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" 2> /dev/null > /sys/fs/cgroup/cgroup.subtree_control || :; done
mkdir -p /sys/fs/cgroup/user.slice
for c in $(cat /sys/fs/cgroup/user.slice/cgroup.controllers); do echo "+$c" 2> /dev/null > /sys/fs/cgroup/user.slice/cgroup.subtree_control || :; done
mkdir /sys/fs/cgroup/user.slice/example
set -- "$@" /sys/fs/cgroup/user.slice/example

# 6. start the joiner, straight into its cgroup where the kernel can
#     a process cannot move into these namespaces; its children are born there
unshare --fork --kill-child \
  sh -euc "$(cat <<'STAGE_1'
# (says which process it is, as the host counts)
read -r self rest < /proc/self/stat
echo "$self" > "$run/joiner"

# 7. hide from ptrace and /proc of other processes
#     processes already in there must not look into this one, which still has the host's files open
#     (nothing to type: no plain tool can do that)

# 8. enter the opened user namespace
#     first: it decides about all the others

# 9. become root of the user namespace
#     as its root it owns what it makes
#     (nothing to type: nsenter has done that, as it does with a user namespace)

# 10. enter the opened pid namespace
#     for the child that comes next

# 11. start init, straight into its cgroup where the kernel can
#     born where its parent could not go; a sibling of its parent, so that the launcher can wait for it
exec nsenter --user=/proc/77/ns/user \
  nsenter --pid=/proc/77/ns/pid \
  unshare --fork --kill-child \
  sh -euc "$(cat <<'STAGE_2'
# (says which process it is, as the host counts)
read -r self rest < /proc/self/stat
echo "$self" > "$run/init"

# 12. join the cgroup /sys/fs/cgroup/user.slice/example
#     from here on its use is counted and limited; first of all, so that nothing escapes
#     (nothing to type: the launcher has done that, as root of a user namespace cannot)

# 13. run on every processor that its cgroup allows
#     what the caller was confined to is not the container's limit; that is its cgroup's
#     (nothing to type: the processors of this script are yours to choose)

# 14. start a new session
#     apart from the caller's terminal, so that nothing typed there or pushed into it crosses over

# 15. enter the opened network namespace
#     shared with whoever made it

# 16. move into new mount and uts namespaces
#     after joining the cgroup, since that becomes the root its cgroup namespace shows

# 17. open the host's /proc
#     what must be written to procfs is written to this one, whatever the image has at /proc
#     (nothing to type: until the root is entered, /proc is the host's)

# 18. start a new session keyring _ses.example
#     the caller's keys are not the container's
#     (nothing to type: keyctl(1) could, but few hosts have it)
exec setsid \
  nsenter --net='/run/netns/a b' \
  unshare --propagation unchanged --mount --uts \
  sh -euc "$(cat <<'STAGE_3'

# 19. set the host name to guest
#     in its own UTS namespace; the host keeps its name
hostname guest

# 20. let mount events travel as rslave
#     nothing mounted from here on reaches the host
mount --make-rslave /

# 21. put the container's root at /host/bundle/rootfs
#     only a mount with a place can be entered
root=/host/bundle/rootfs
export root
mount --rbind "$root" "$root"
mount --make-rslave "$root"

# 22. bind the host's character device /dev/null (1:3) there, for a new one cannot be made
#     every program expects the usual nodes in /dev
: > "$root/dev/null"
mount --bind /dev/null "$root/dev/null"

# 23. bind the host's character device /dev/zero (1:5) there, for a new one cannot be made
#     every program expects the usual nodes in /dev
: > "$root/dev/zero"
mount --bind /dev/zero "$root/dev/zero"

# 24. bind the host's character device /dev/full (1:7) there, for a new one cannot be made
#     every program expects the usual nodes in /dev
: > "$root/dev/full"
mount --bind /dev/full "$root/dev/full"

# 25. bind the host's character device /dev/random (1:8) there, for a new one cannot be made
#     every program expects the usual nodes in /dev
: > "$root/dev/random"
mount --bind /dev/random "$root/dev/random"

# 26. bind the host's character device /dev/urandom (1:9) there, for a new one cannot be made
#     every program expects the usual nodes in /dev
: > "$root/dev/urandom"
mount --bind /dev/urandom "$root/dev/urandom"

# 27. bind the host's character device /dev/tty (5:0) there, for a new one cannot be made
#     every program expects the usual nodes in /dev
: > "$root/dev/tty"
mount --bind /dev/tty "$root/dev/tty"

# 28. make /dev/fd a link to /proc/self/fd
#     the usual names
ln -sfn /proc/self/fd "$root/dev/fd"

# 29. make /dev/stdin a link to /proc/self/fd/0
#     the usual names
ln -sfn /proc/self/fd/0 "$root/dev/stdin"

# 30. make /dev/stdout a link to /proc/self/fd/1
#     the usual names
ln -sfn /proc/self/fd/1 "$root/dev/stdout"

# 31. make /dev/stderr a link to /proc/self/fd/2
#     the usual names
ln -sfn /proc/self/fd/2 "$root/dev/stderr"

# 32. make /dev/ptmx a link to pts/ptmx
#     the usual names
ln -sfn pts/ptmx "$root/dev/ptmx"

# 33. make the directory / if it is missing
#     the working directory, while the root can still be written to
#     (nothing to type: the root is there)

# 34. enter the container's root with pivot_root and drop the old one
#     the host's files are out of reach from here on
cd "$root"
mount -n --move "$root" /

# 35. give the standard streams to user 0
#     so that it can open /dev/stdout again
#     (nothing to type: the streams of this script stay yours)

# 36. change to the directory /
#     while still root, who can make it; checked to lie inside
#     (nothing to type: capsh starts there)

# 37. drop from the bounding set all capabilities
#     nothing executed from here on, setuid or not, can get more than these
#     (a part of the last command)

# 38. become user 0, group 0, no further groups
#     after the mounts and the bounding set, which only root could do
#     (a part of the last command)

# 39. drop all capabilities; inheritable: none; ambient: none
#     after changing the user, which took the power to do so
#     (a part of the last command)

# 40. look for the program sh
#     so that its absence is told now, to whoever is waiting
program=; for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do if [ -x ".$dir/"sh ] || [ -L ".$dir/"sh ]; then program="$dir/"sh; break; fi; done; [ -n "$program" ]

# 41. tell the launcher that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 44. wait until the launcher says that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 45. execute sh with an empty environment, and the user's HOME
#     from here on this process is the program
home=$(awk -F: '$3 == 0 && $6 ~ /^\// { print $6; exit }' ./etc/passwd 2> /dev/null || :)
exec env -i -- HOME="${home:-/}" \
  "$capsh" --quiet --chroot=. --drop=cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid,cap_kill,cap_setgid,cap_setuid,cap_setpcap,cap_linux_immutable,cap_net_bind_service,cap_net_broadcast,cap_net_admin,cap_net_raw,cap_ipc_lock,cap_ipc_owner,cap_sys_module,cap_sys_rawio,cap_sys_chroot,cap_sys_ptrace,cap_sys_pacct,cap_sys_admin,cap_sys_boot,cap_sys_nice,cap_sys_resource,cap_sys_time,cap_sys_tty_config,cap_mknod,cap_lease,cap_audit_write,cap_audit_control,cap_setfcap,cap_mac_override,cap_mac_admin,cap_syslog,cap_wake_alarm,cap_block_suspend,cap_audit_read,cap_perfmon,cap_bpf,cap_checkpoint_restore --groups= --gid=0 --keep=1 --uid=0 \
  --shell="$program" --
STAGE_3
)"
STAGE_2
)"
STAGE_1
)" <&3 3<&- &
started=$!
child=$(hear joiner)
echo "$child" > /sys/fs/cgroup/user.slice/example/cgroup.procs
init=$(hear init)

# 42. wait until init says that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 43. tell init that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)
wait "$started" || status=$?
started=
exit "$status"
