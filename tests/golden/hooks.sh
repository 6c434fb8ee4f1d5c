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
for tool in awk capsh env ln mkdir mkfifo mknod mktemp mount setsid tee timeout unshare; do
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
mkfifo -m 666 "$run/assembled"
mkfifo -m 666 "$run/hooks-done"

# 1. copy the tree /host/bundle/rootfs as the container's root (rslave)
#     a mount of its own, so that it can be entered and left as a whole
#     (nothing to type: a shell cannot hold a mount that has no place; it is made where it goes)

# 2. make the cgroup /sys/fs/cgroup/user.slice/example
#     before the first process, so that none ever runs without limits
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" 2> /dev/null > /sys/fs/cgroup/cgroup.subtree_control || :; done
mkdir -p /sys/fs/cgroup/user.slice
for c in $(cat /sys/fs/cgroup/user.slice/cgroup.controllers); do echo "+$c" 2> /dev/null > /sys/fs/cgroup/user.slice/cgroup.subtree_control || :; done
mkdir /sys/fs/cgroup/user.slice/example
set -- "$@" /sys/fs/cgroup/user.slice/example

# 3. start init in a new pid namespace, straight into its cgroup where the kernel can
#     it is process 1 of its pid namespace; the rest it makes itself
unshare --fork --kill-child --pid \
  sh -euc "$(cat <<'STAGE_1'
# (says which process it is, as the host counts)
read -r self rest < /proc/self/stat
echo "$self" > "$run/init"

# 4. join the cgroup /sys/fs/cgroup/user.slice/example
#     from here on its use is counted and limited; first of all, so that nothing escapes
echo 0 > /sys/fs/cgroup/user.slice/example/cgroup.procs

# 5. run on every processor that its cgroup allows
#     what the caller was confined to is not the container's limit; that is its cgroup's
#     (nothing to type: the processors of this script are yours to choose)

# 6. start a new session
#     apart from the caller's terminal, so that nothing typed there or pushed into it crosses over

# 7. move into a new mount namespace
#     after joining the cgroup, since that becomes the root its cgroup namespace shows

# 8. open the host's /proc
#     what must be written to procfs is written to this one, whatever the image has at /proc
#     (nothing to type: until the root is entered, /proc is the host's)

# 9. start a new session keyring _ses.example
#     the caller's keys are not the container's
#     (nothing to type: keyctl(1) could, but few hosts have it)
exec setsid \
  unshare --propagation unchanged --mount \
  sh -euc "$(cat <<'STAGE_2'

# 10. let mount events travel as rslave
#     nothing mounted from here on reaches the host
mount --make-rslave /

# 11. put the container's root at /host/bundle/rootfs
#     only a mount with a place can be entered
root=/host/bundle/rootfs
export root
mount --rbind "$root" "$root"
mount --make-rslave "$root"

# 12. make the character device /dev/null (1:3, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/null"
mknod -m 0666 "$root/dev/null" c 1 3

# 13. make the character device /dev/zero (1:5, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/zero"
mknod -m 0666 "$root/dev/zero" c 1 5

# 14. make the character device /dev/full (1:7, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/full"
mknod -m 0666 "$root/dev/full" c 1 7

# 15. make the character device /dev/random (1:8, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/random"
mknod -m 0666 "$root/dev/random" c 1 8

# 16. make the character device /dev/urandom (1:9, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/urandom"
mknod -m 0666 "$root/dev/urandom" c 1 9

# 17. make the character device /dev/tty (5:0, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/tty"
mknod -m 0666 "$root/dev/tty" c 5 0

# 18. make /dev/fd a link to /proc/self/fd
#     the usual names
ln -sfn /proc/self/fd "$root/dev/fd"

# 19. make /dev/stdin a link to /proc/self/fd/0
#     the usual names
ln -sfn /proc/self/fd/0 "$root/dev/stdin"

# 20. make /dev/stdout a link to /proc/self/fd/1
#     the usual names
ln -sfn /proc/self/fd/1 "$root/dev/stdout"

# 21. make /dev/stderr a link to /proc/self/fd/2
#     the usual names
ln -sfn /proc/self/fd/2 "$root/dev/stderr"

# 22. make /dev/ptmx a link to pts/ptmx
#     the usual names
ln -sfn pts/ptmx "$root/dev/ptmx"

# 23. tell the launcher that the root is assembled
#     hooks outside may look now
echo > "$run/assembled"

# 30. wait until the launcher says that the hooks are done
#     they are done
read -r word < "$run/hooks-done"

# 31. run the hook createContainer[0], /opt/hooks/createContainer, for at most 5 s
#     inside the namespaces, the host's files still in reach
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"creating","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | timeout 5 env -i -- 'A=1' /opt/hooks/createContainer -v

# 32. run the hook createContainer[1], /opt/second
#     inside the namespaces, the host's files still in reach
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"creating","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | /opt/second

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

# 45. run the hook startContainer[0], /opt/hooks/startContainer, for at most 5 s
#     the last thing before the program, inside its root
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"created","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | timeout 5 env -i -- 'A=1' "$capsh" --quiet --chroot=. --drop=cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid,cap_kill,cap_setgid,cap_setuid,cap_setpcap,cap_linux_immutable,cap_net_bind_service,cap_net_broadcast,cap_net_admin,cap_net_raw,cap_ipc_lock,cap_ipc_owner,cap_sys_module,cap_sys_rawio,cap_sys_chroot,cap_sys_ptrace,cap_sys_pacct,cap_sys_admin,cap_sys_boot,cap_sys_nice,cap_sys_resource,cap_sys_time,cap_sys_tty_config,cap_mknod,cap_lease,cap_audit_write,cap_audit_control,cap_setfcap,cap_mac_override,cap_mac_admin,cap_syslog,cap_wake_alarm,cap_block_suspend,cap_audit_read,cap_perfmon,cap_bpf,cap_checkpoint_restore --groups= --gid=0 --keep=1 --uid=0 --shell=/opt/hooks/startContainer -- -v

# 46. run the hook startContainer[1], /opt/second
#     the last thing before the program, inside its root
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"created","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | env -i -- "$capsh" --quiet --chroot=. --drop=cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid,cap_kill,cap_setgid,cap_setuid,cap_setpcap,cap_linux_immutable,cap_net_bind_service,cap_net_broadcast,cap_net_admin,cap_net_raw,cap_ipc_lock,cap_ipc_owner,cap_sys_module,cap_sys_rawio,cap_sys_chroot,cap_sys_ptrace,cap_sys_pacct,cap_sys_admin,cap_sys_boot,cap_sys_nice,cap_sys_resource,cap_sys_time,cap_sys_tty_config,cap_mknod,cap_lease,cap_audit_write,cap_audit_control,cap_setfcap,cap_mac_override,cap_mac_admin,cap_syslog,cap_wake_alarm,cap_block_suspend,cap_audit_read,cap_perfmon,cap_bpf,cap_checkpoint_restore --groups= --gid=0 --keep=1 --uid=0 --shell=/opt/second --

# 47. execute sh with an empty environment, and the user's HOME
#     from here on this process is the program
home=$(awk -F: '$3 == 0 && $6 ~ /^\// { print $6; exit }' ./etc/passwd 2> /dev/null || :)
exec env -i -- HOME="${home:-/}" \
  "$capsh" --quiet --chroot=. --drop=cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid,cap_kill,cap_setgid,cap_setuid,cap_setpcap,cap_linux_immutable,cap_net_bind_service,cap_net_broadcast,cap_net_admin,cap_net_raw,cap_ipc_lock,cap_ipc_owner,cap_sys_module,cap_sys_rawio,cap_sys_chroot,cap_sys_ptrace,cap_sys_pacct,cap_sys_admin,cap_sys_boot,cap_sys_nice,cap_sys_resource,cap_sys_time,cap_sys_tty_config,cap_mknod,cap_lease,cap_audit_write,cap_audit_control,cap_setfcap,cap_mac_override,cap_mac_admin,cap_syslog,cap_wake_alarm,cap_block_suspend,cap_audit_read,cap_perfmon,cap_bpf,cap_checkpoint_restore --groups= --gid=0 --keep=1 --uid=0 \
  --shell="$program" --
STAGE_2
)"
STAGE_1
)" <&3 3<&- &
started=$!
init=$(hear init)
child=$init

# 24. wait until init says that the root is assembled
#     hooks outside may look now
hear assembled > /dev/null

# 25. run the hook prestart[0], /opt/hooks/prestart, for at most 5 s
#     the namespaces exist and the root is assembled, but not entered
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"creating","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | timeout 5 env -i -- 'A=1' /opt/hooks/prestart -v

# 26. run the hook prestart[1], /opt/second
#     the namespaces exist and the root is assembled, but not entered
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"creating","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | /opt/second

# 27. run the hook createRuntime[0], /opt/hooks/createRuntime, for at most 5 s
#     the namespaces exist and the root is assembled, but not entered
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"creating","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | timeout 5 env -i -- 'A=1' /opt/hooks/createRuntime -v

# 28. run the hook createRuntime[1], /opt/second
#     the namespaces exist and the root is assembled, but not entered
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"creating","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | /opt/second

# 29. tell init that the hooks are done
#     they are done
tell hooks-done

# 42. wait until init says that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 43. tell init that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 48. run the hook poststart[0], /opt/hooks/poststart, for at most 5 s
#     the program runs
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"running","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | timeout 5 env -i -- 'A=1' /opt/hooks/poststart -v

# 49. run the hook poststart[1], /opt/second
#     the program runs
printf '{"ociVersion":"1.2.0","id":"by-hand","status":"running","pid":%s,"bundle":"%s"}' "${init:-$$}" "${bundle:-$PWD}" | /opt/second
wait "$started" || status=$?
started=
exit "$status"
