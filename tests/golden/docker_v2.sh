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
for tool in awk capsh cp env findmnt hostname ip ln mkdir mkfifo mknod mktemp mount prlimit setsid tail tee timeout unshare; do
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
mkfifo -m 666 "$run/init"
mkfifo -m 666 "$run/prepared"

# 1. copy the tree /host/bundle/rootfs as the container's root (rslave)
#     a mount of its own, so that it can be entered and left as a whole
#     (nothing to type: a shell cannot hold a mount that has no place; it is made where it goes)

# 2. take /host/data, with all mounts below it, as a mount of its own (rslave)
#     taken while the host's files are in reach, and looked up only once, so that nobody can swap it
#     (nothing to type: a shell cannot hold a mount that has no place; it is made where it goes)

# 3. take /host/hosts.txt as a mount of its own (rslave)
#     taken while the host's files are in reach, and looked up only once, so that nobody can swap it
#     (nothing to type: a shell cannot hold a mount that has no place; it is made where it goes)

# 4. make the cgroup /sys/fs/cgroup/engine/example
#     before the first process, so that none ever runs without limits
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" 2> /dev/null > /sys/fs/cgroup/cgroup.subtree_control || :; done
mkdir -p /sys/fs/cgroup/engine
for c in $(cat /sys/fs/cgroup/engine/cgroup.controllers); do echo "+$c" 2> /dev/null > /sys/fs/cgroup/engine/cgroup.subtree_control || :; done
mkdir /sys/fs/cgroup/engine/example
set -- "$@" /sys/fs/cgroup/engine/example

# 5. set limits: cpu.weight = 59, cpu.max = "50000 100000", memory.swap.max = 67108864, memory.max = 67108864, pids.max = 100
#     what the container may use
printf '%s\n' 59 > /sys/fs/cgroup/engine/example/cpu.weight
printf '%s\n' '50000 100000' > /sys/fs/cgroup/engine/example/cpu.max
printf '%s\n' 67108864 > /sys/fs/cgroup/engine/example/memory.swap.max
printf '%s\n' 67108864 > /sys/fs/cgroup/engine/example/memory.max
printf '%s\n' 100 > /sys/fs/cgroup/engine/example/pids.max

# 6. decide which devices may be used: deny a *:* rwm, allow c *:* m, allow b *:* m, allow c 136:* rwm, allow c 1:3 rwm, allow c 1:8 rwm, allow c 1:7 rwm, allow c 5:0 rwm, allow c 1:5 rwm, allow c 1:9 rwm, allow c 5:2 rwm, allow c 10:200 rwm
#     a node is only a name; this decides whether it opens
#     (nothing to type: cgroup v2 wants a program in the kernel, and no plain tool loads one)

# 7. start init in a new pid namespace, straight into its cgroup where the kernel can
#     it is process 1 of its pid namespace; the rest it makes itself
unshare --fork --kill-child --pid \
  sh -euc "$(cat <<'STAGE_1'
# (says which process it is, as the host counts)
read -r self rest < /proc/self/stat
echo "$self" > "$run/init"

# 10. wait until the launcher says that what only it may do is done
#     before the program could use more
read -r word < "$run/prepared"

# 11. join the cgroup /sys/fs/cgroup/engine/example
#     from here on its use is counted and limited; first of all, so that nothing escapes
echo 0 > /sys/fs/cgroup/engine/example/cgroup.procs

# 12. run on every processor that its cgroup allows
#     what the caller was confined to is not the container's limit; that is its cgroup's
#     (nothing to type: the processors of this script are yours to choose)

# 13. start a new session
#     apart from the caller's terminal, so that nothing typed there or pushed into it crosses over

# 14. move into new mount, network, ipc, uts and cgroup namespaces
#     after joining the cgroup, since that becomes the root its cgroup namespace shows
exec setsid \
  unshare --propagation unchanged --mount --net --ipc --uts --cgroup \
  sh -euc "$(cat <<'STAGE_2'

# 15. switch on the loopback interface
#     a new network namespace has nothing but this, and it is down
ip link set lo up

# 16. open the host's /proc
#     what must be written to procfs is written to this one, whatever the image has at /proc
#     (nothing to type: until the root is entered, /proc is the host's)

# 17. start a new session keyring _ses.example
#     the caller's keys are not the container's
#     (nothing to type: keyctl(1) could, but few hosts have it)

# 18. set the host name to web
#     in its own UTS namespace; the host keeps its name
hostname web

# 19. let mount events travel as rslave
#     nothing mounted from here on reaches the host
mount --make-rslave /

# 20. put the container's root at /host/bundle/rootfs
#     only a mount with a place can be entered
root=/host/bundle/rootfs
export root
mount --rbind "$root" "$root"
mount --make-rslave "$root"

# 21. mount a new proc at /proc (nosuid, nodev, noexec)
#     programs read about processes here; it shows the pid namespace it is mounted in
mkdir -p "$root/proc"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"

# 22. mount a new tmpfs at /dev (nosuid, strictatime, mode=755, size=65536k)
#     memory of its own, gone with the container
mkdir -p "$root/dev"
mount -t tmpfs -o 'nosuid,strictatime,mode=755,size=65536k' tmpfs "$root/dev"

# 23. mount a new devpts at /dev/pts (nosuid, noexec, newinstance, ptmxmode=0666, mode=0620, gid=5)
#     pseudo-terminals of its own, apart from the host's
mkdir -p "$root/dev/pts"
mount -t devpts -o 'nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5' devpts "$root/dev/pts"

# 24. mount a new sysfs at /sys (ro, nosuid, nodev, noexec)
#     programs read about devices and the network here
mkdir -p "$root/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"

# 25. mount a new cgroup2 from cgroup at /sys/fs/cgroup (ro, nosuid, nodev, noexec)
#     in its cgroup namespace it sees its own part only
mkdir -p "$root/sys/fs/cgroup"
mount -t cgroup2 -o ro,nosuid,nodev,noexec cgroup "$root/sys/fs/cgroup"

# 26. mount a new mqueue at /dev/mqueue (nosuid, nodev, noexec)
#     the message queues of its IPC namespace
mkdir -p "$root/dev/mqueue"
mount -t mqueue -o nosuid,nodev,noexec mqueue "$root/dev/mqueue"

# 27. mount a new tmpfs from shm at /dev/shm (nosuid, nodev, noexec, mode=1777, size=67108864)
#     memory of its own, gone with the container
mkdir -p "$root/dev/shm"
mount -t tmpfs -o 'nosuid,nodev,noexec,mode=1777,size=67108864' shm "$root/dev/shm"

# 28. bind /host/data at /data (rro, rprivate)
#     the configuration asks for this part of the host
mkdir -p "$root/data"
mount --rbind /host/data "$root/data"
findmnt -Rrno TARGET "$root/data" | while read -r each; do mount -o "remount,bind,$(findmnt -rno VFS-OPTIONS -M "$each" | tail -n 1),ro" "$each"; done
mount --make-rprivate "$root/data"

# 29. bind /host/hosts.txt at /etc/hosts (ro, noatime)
#     the configuration asks for this part of the host
mkdir -p "$root/etc"
[ -e "$root/etc/hosts" ] || : > "$root/etc/hosts"
mount --bind /host/hosts.txt "$root/etc/hosts"
mount -o "remount,bind,$(findmnt -rno VFS-OPTIONS -M "$root/etc/hosts" | tail -n 1),ro,noatime" "$root/etc/hosts"

# 30. mount a new tmpfs at /srv/cache (rw, with a copy of what it covers)
#     memory of its own, gone with the container
mkdir -p "$root/srv/cache"
fresh=$(mktemp -d)
mount -t tmpfs -o rw tmpfs "$fresh"
cp -a "$root/srv/cache"/. "$fresh"
mount -n --move "$fresh" "$root/srv/cache"
rmdir "$fresh"

# 31. make the character device /dev/null (1:3, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/null"
mknod -m 0666 "$root/dev/null" c 1 3

# 32. make the character device /dev/zero (1:5, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/zero"
mknod -m 0666 "$root/dev/zero" c 1 5

# 33. make the character device /dev/full (1:7, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/full"
mknod -m 0666 "$root/dev/full" c 1 7

# 34. make the character device /dev/random (1:8, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/random"
mknod -m 0666 "$root/dev/random" c 1 8

# 35. make the character device /dev/urandom (1:9, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/urandom"
mknod -m 0666 "$root/dev/urandom" c 1 9

# 36. make the character device /dev/tty (5:0, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/tty"
mknod -m 0666 "$root/dev/tty" c 5 0

# 37. make /dev/fd a link to /proc/self/fd
#     the usual names
ln -sfn /proc/self/fd "$root/dev/fd"

# 38. make /dev/stdin a link to /proc/self/fd/0
#     the usual names
ln -sfn /proc/self/fd/0 "$root/dev/stdin"

# 39. make /dev/stdout a link to /proc/self/fd/1
#     the usual names
ln -sfn /proc/self/fd/1 "$root/dev/stdout"

# 40. make /dev/stderr a link to /proc/self/fd/2
#     the usual names
ln -sfn /proc/self/fd/2 "$root/dev/stderr"

# 41. make /dev/ptmx a link to pts/ptmx
#     the usual names
ln -sfn pts/ptmx "$root/dev/ptmx"

# 42. make a terminal of 80 columns and 24 rows for user 1000 and hand its other side out
#     from the container's own devpts, before its root is entered
#     (nothing to type: the terminal of this script serves; script(1) could make another)

# 43. make the directory /srv if it is missing
#     the working directory, while the root can still be written to
mkdir -p "$root/srv"

# 44. make /proc/sys read-only, if it is there
#     switches of the kernel that are not the container's to turn
if [ -e "$root/proc/sys" ]; then mount --rbind "$root/proc/sys" "$root/proc/sys"; mount -o "remount,bind,$(findmnt -rno VFS-OPTIONS -M "$root/proc/sys" | tail -n 1),ro" "$root/proc/sys"; fi

# 45. hide /proc/kcore, if it is there
#     tells too much about the host
if [ -d "$root/proc/kcore" ]; then mount -t tmpfs -o ro,size=0,nr_inodes=2 tmpfs "$root/proc/kcore"; elif [ -e "$root/proc/kcore" ]; then mount --bind /dev/null "$root/proc/kcore"; mount -o "remount,bind,$(findmnt -rno VFS-OPTIONS -M "$root/proc/kcore" | tail -n 1),ro,nosuid,noexec" "$root/proc/kcore"; fi

# 46. hide /sys/firmware, if it is there
#     tells too much about the host
if [ -d "$root/sys/firmware" ]; then mount -t tmpfs -o ro,size=0,nr_inodes=2 tmpfs "$root/sys/firmware"; elif [ -e "$root/sys/firmware" ]; then mount --bind /dev/null "$root/sys/firmware"; mount -o "remount,bind,$(findmnt -rno VFS-OPTIONS -M "$root/sys/firmware" | tail -n 1),ro,nosuid,noexec" "$root/sys/firmware"; fi

# 47. make the root mount read-only
#     last of the mounts, since mount points and nodes had to be made in it
mount -o "remount,bind,$(findmnt -rno VFS-OPTIONS -M "$root" | tail -n 1),ro" "$root"

# 48. enter the container's root with pivot_root and drop the old one
#     the host's files are out of reach from here on
cd "$root"
mount -n --move "$root" /

# 49. set the kernel parameter net.ipv4.ip_unprivileged_port_start to 0
#     a parameter of its own namespace
printf '%s\n' 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start

# 50. limit RLIMIT_NOFILE to 1024, at most 4096
#     how much one process may use
#     (a part of the last command)

# 51. give the standard streams to user 1000
#     so that it can open /dev/stdout again
#     (nothing to type: the streams of this script stay yours)

# 52. change to the directory /srv
#     while still root, who can make it; checked to lie inside
#     (nothing to type: no plain tool enters a root and then another directory; the image's own shell does)

# 53. drop from the bounding set all capabilities but CAP_CHOWN, CAP_KILL, CAP_NET_BIND_SERVICE
#     nothing executed from here on, setuid or not, can get more than these
#     (a part of the last command)

# 54. become user 1000, group 1000, groups 5, 50, umask 0022
#     after the mounts and the bounding set, which only root could do
umask 0022

# 55. drop all capabilities but CAP_CHOWN, CAP_KILL, CAP_NET_BIND_SERVICE; inheritable: none; ambient: none
#     after changing the user, which took the power to do so
#     (a part of the last command)

# 56. give up gaining privileges by exec for good
#     so that setuid programs inside stay harmless
#     (a part of the last command)

# 57. look for the program /usr/bin/server
#     so that its absence is told now, to whoever is waiting
program=/usr/bin/server

# 58. tell the launcher that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 61. wait until the launcher says that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 62. load a seccomp filter of N instructions: SCMP_ACT_ERRNO for every system call, but for 1 rule about 3 system calls
#     last of all, so that it need not allow what rcon itself does
#     (nothing to type: no plain tool loads a filter: the program runs without one)

# 63. execute /usr/bin/server --name "it's a \"test\"" with 3 environment variables (PATH, TOKEN, TERM), and the user's HOME
#     from here on this process is the program
home=$(awk -F: '$3 == 1000 && $6 ~ /^\// { print $6; exit }' ./etc/passwd 2> /dev/null || :)
exec prlimit --nofile=1024:4096 \
  env -i -- 'PATH=/usr/bin:/bin' 'TOKEN=secret' 'TERM=xterm' HOME="${home:-/}" \
  "$capsh" --quiet --chroot=. --drop=cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid,cap_setgid,cap_setuid,cap_setpcap,cap_linux_immutable,cap_net_broadcast,cap_net_admin,cap_net_raw,cap_ipc_lock,cap_ipc_owner,cap_sys_module,cap_sys_rawio,cap_sys_chroot,cap_sys_ptrace,cap_sys_pacct,cap_sys_admin,cap_sys_boot,cap_sys_nice,cap_sys_resource,cap_sys_time,cap_sys_tty_config,cap_mknod,cap_lease,cap_audit_write,cap_audit_control,cap_setfcap,cap_mac_override,cap_mac_admin,cap_syslog,cap_wake_alarm,cap_block_suspend,cap_audit_read,cap_perfmon,cap_bpf,cap_checkpoint_restore --groups=5,50 --gid=1000 --keep=1 --uid=1000 --no-new-privs \
  --shell=/bin/sh -- -c 'cd -- "$1" && shift && unset OLDPWD && exec "$@"' sh /srv "$program" --name 'it'\''s a "test"'
STAGE_2
)"
STAGE_1
)" <&3 3<&- &
started=$!
init=$(hear init)
child=$init

# 8. set the out-of-memory score adjustment to 100
#     set from outside: lowering it takes power over the host
echo 100 > "/proc/$init/oom_score_adj"

# 9. tell init that what only it may do is done
#     before the program could use more
tell prepared

# 59. wait until init says that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 60. tell init that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)
wait "$started" || status=$?
started=
exit "$status"
