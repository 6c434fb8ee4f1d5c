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
for tool in awk capsh chrt domainname env hostname ionice ln mkdir mknod mount setarch setsid unshare; do
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
nl='
'
export nl

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

# 4. join the cgroup /sys/fs/cgroup/user.slice/example
#     from here on its use is counted and limited; first of all, so that nothing escapes
echo 0 > /sys/fs/cgroup/user.slice/example/cgroup.procs

# 5. run on every processor that its cgroup allows
#     what the caller was confined to is not the container's limit; that is its cgroup's
#     (nothing to type: the processors of this script are yours to choose)

# 6. start a new session
#     apart from the caller's terminal, so that nothing typed there or pushed into it crosses over

# 7. move into new mount, ipc and uts namespaces
#     after joining the cgroup, since that becomes the root its cgroup namespace shows

# 8. open the host's /proc
#     what must be written to procfs is written to this one, whatever the image has at /proc
#     (nothing to type: until the root is entered, /proc is the host's)

# 9. start a new session keyring _ses.example
#     the caller's keys are not the container's
#     (nothing to type: keyctl(1) could, but few hosts have it)
exec setsid \
  unshare --propagation unchanged --mount --ipc --uts \
  sh -euc "$(cat <<'STAGE_2'

# 10. set the host name to "a\nb\u{1b}[31m'; rm -rf /; '"
#     in its own UTS namespace; the host keeps its name
hostname 'a'"$nl"'b'"$(printf '\033')"'[31m'\''; rm -rf /; '\'

# 11. set the NIS domain name to "$(reboot)"
#     in its own UTS namespace
domainname '$(reboot)'

# 12. let mount events travel as rslave
#     nothing mounted from here on reaches the host
mount --make-rslave /

# 13. put the container's root at /host/bundle/rootfs
#     only a mount with a place can be entered
root=/host/bundle/rootfs
export root
mount --rbind "$root" "$root"
mount --make-rslave "$root"

# 14. mount a new tmpfs from "`id`" at "/a\nb'c" (mode="755,\u{202e}x")
#     memory of its own, gone with the container
mkdir -p "$root"'/a'"$nl"'b'\''c'
mount -t tmpfs -o 'mode="755,'"$(printf '\342\200\256')"'x"' '`id`' "$root"'/a'"$nl"'b'\''c'

# 15. mount a new tmpfs at /etc
#     memory of its own, gone with the container
mkdir -p "$root/etc"
mount -t tmpfs tmpfs "$root/etc"

# 16. make the character device /dev/null (1:3, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/null"
mknod -m 0666 "$root/dev/null" c 1 3

# 17. make the character device /dev/zero (1:5, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/zero"
mknod -m 0666 "$root/dev/zero" c 1 5

# 18. make the character device /dev/full (1:7, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/full"
mknod -m 0666 "$root/dev/full" c 1 7

# 19. make the character device /dev/random (1:8, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/random"
mknod -m 0666 "$root/dev/random" c 1 8

# 20. make the character device /dev/urandom (1:9, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/urandom"
mknod -m 0666 "$root/dev/urandom" c 1 9

# 21. make the character device /dev/tty (5:0, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/tty"
mknod -m 0666 "$root/dev/tty" c 5 0

# 22. make /dev/fd a link to /proc/self/fd
#     the usual names
ln -sfn /proc/self/fd "$root/dev/fd"

# 23. make /dev/stdin a link to /proc/self/fd/0
#     the usual names
ln -sfn /proc/self/fd/0 "$root/dev/stdin"

# 24. make /dev/stdout a link to /proc/self/fd/1
#     the usual names
ln -sfn /proc/self/fd/1 "$root/dev/stdout"

# 25. make /dev/stderr a link to /proc/self/fd/2
#     the usual names
ln -sfn /proc/self/fd/2 "$root/dev/stderr"

# 26. make /dev/ptmx a link to pts/ptmx
#     the usual names
ln -sfn pts/ptmx "$root/dev/ptmx"

# 27. make the directory / if it is missing
#     the working directory, while the root can still be written to
#     (nothing to type: the root is there)

# 28. enter the container's root with pivot_root and drop the old one
#     the host's files are out of reach from here on
cd "$root"
mount -n --move "$root" /

# 29. let mount events travel as shared
#     as the configuration asks, now for the container's own root
mount -c --make-shared /proc/self/cwd

# 30. set the kernel parameter kernel.msgmax to 65536
#     a parameter of its own namespace
printf '%s\n' 65536 > /proc/sys/kernel/msgmax

# 31. set the scheduling policy to SCHED_FIFO, priority 10, flags 0x1
#     the configuration says how it competes for the CPU
#     (a part of the last command)

# 32. set the I/O priority to best effort 4
#     the configuration says how it competes for the disk
#     (a part of the last command)

# 33. set the execution domain to LINUX32
#     what uname tells about the machine
#     (a part of the last command)

# 34. give the standard streams to user 0
#     so that it can open /dev/stdout again
#     (nothing to type: the streams of this script stay yours)

# 35. change to the directory /
#     while still root, who can make it; checked to lie inside
#     (nothing to type: capsh starts there)

# 36. drop from the bounding set all capabilities
#     nothing executed from here on, setuid or not, can get more than these
#     (a part of the last command)

# 37. become user 0, group 0, no further groups
#     after the mounts and the bounding set, which only root could do
#     (a part of the last command)

# 38. drop all capabilities; inheritable: none; ambient: none
#     after changing the user, which took the power to do so
#     (a part of the last command)

# 39. look for the program sh in "/bin:/my bin"
#     so that its absence is told now, to whoever is waiting
program=; for dir in /bin '/my bin'; do if [ -x ".$dir/"sh ] || [ -L ".$dir/"sh ]; then program="$dir/"sh; break; fi; done; [ -n "$program" ]

# 40. tell the launcher that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 43. wait until the launcher says that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 44. execute sh -c "echo '\n$HOME' \"\u{7}\"" with 3 environment variables (PATH, X, STAGE_1), and the user's HOME
#     from here on this process is the program
home=$(awk -F: '$3 == 0 && $6 ~ /^\// { print $6; exit }' ./etc/passwd 2> /dev/null || :)
exec chrt --reset-on-fork --fifo 10 \
  ionice -c 2 -n 4 \
  setarch linux32 \
  env -i -- 'PATH=/bin:/my bin' 'X=a'\''b'"$nl"'c' 'STAGE_1=' HOME="${home:-/}" \
  "$capsh" --quiet --chroot=. --drop=cap_chown,cap_dac_override,cap_dac_read_search,cap_fowner,cap_fsetid,cap_kill,cap_setgid,cap_setuid,cap_setpcap,cap_linux_immutable,cap_net_bind_service,cap_net_broadcast,cap_net_admin,cap_net_raw,cap_ipc_lock,cap_ipc_owner,cap_sys_module,cap_sys_rawio,cap_sys_chroot,cap_sys_ptrace,cap_sys_pacct,cap_sys_admin,cap_sys_boot,cap_sys_nice,cap_sys_resource,cap_sys_time,cap_sys_tty_config,cap_mknod,cap_lease,cap_audit_write,cap_audit_control,cap_setfcap,cap_mac_override,cap_mac_admin,cap_syslog,cap_wake_alarm,cap_block_suspend,cap_audit_read,cap_perfmon,cap_bpf,cap_checkpoint_restore --groups= --gid=0 --keep=1 --uid=0 \
  --shell="$program" -- -c 'echo '\'"$nl"'$HOME'\'' "'"$(printf '\007')"'"'
STAGE_2
)"
STAGE_1
)" || status=$?

# 41. wait until init says that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 42. tell init that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)
exit "$status"
