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
for tool in awk capsh env ip ln mkdir mkfifo mknod mktemp mount nft nsenter setsid tee timeout unshare; do
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
mkfifo -m 666 "$run/network-made"
mkfifo -m 666 "$run/connected"

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

# 7. move into new mount and network namespaces
#     after joining the cgroup, since that becomes the root its cgroup namespace shows
exec setsid \
  unshare --propagation unchanged --mount --net \
  sh -euc "$(cat <<'STAGE_2'

# 8. switch on the loopback interface
#     a new network namespace has nothing but this, and it is down
ip link set lo up

# 11. tell the launcher that there is a network to connect
#     only who is outside has power over both ends
echo > "$run/network-made"

# 19. open the host's /proc
#     what must be written to procfs is written to this one, whatever the image has at /proc
#     (nothing to type: until the root is entered, /proc is the host's)

# 20. start a new session keyring _ses.example
#     the caller's keys are not the container's
#     (nothing to type: keyctl(1) could, but few hosts have it)

# 21. let mount events travel as rslave
#     nothing mounted from here on reaches the host
mount --make-rslave /

# 22. put the container's root at /host/bundle/rootfs
#     only a mount with a place can be entered
root=/host/bundle/rootfs
export root
mount --rbind "$root" "$root"
mount --make-rslave "$root"

# 23. make the character device /dev/null (1:3, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/null"
mknod -m 0666 "$root/dev/null" c 1 3

# 24. make the character device /dev/zero (1:5, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/zero"
mknod -m 0666 "$root/dev/zero" c 1 5

# 25. make the character device /dev/full (1:7, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/full"
mknod -m 0666 "$root/dev/full" c 1 7

# 26. make the character device /dev/random (1:8, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/random"
mknod -m 0666 "$root/dev/random" c 1 8

# 27. make the character device /dev/urandom (1:9, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/urandom"
mknod -m 0666 "$root/dev/urandom" c 1 9

# 28. make the character device /dev/tty (5:0, mode 0666, owner 0:0)
#     every program expects the usual nodes in /dev
rm -f "$root/dev/tty"
mknod -m 0666 "$root/dev/tty" c 5 0

# 29. make /dev/fd a link to /proc/self/fd
#     the usual names
ln -sfn /proc/self/fd "$root/dev/fd"

# 30. make /dev/stdin a link to /proc/self/fd/0
#     the usual names
ln -sfn /proc/self/fd/0 "$root/dev/stdin"

# 31. make /dev/stdout a link to /proc/self/fd/1
#     the usual names
ln -sfn /proc/self/fd/1 "$root/dev/stdout"

# 32. make /dev/stderr a link to /proc/self/fd/2
#     the usual names
ln -sfn /proc/self/fd/2 "$root/dev/stderr"

# 33. make /dev/ptmx a link to pts/ptmx
#     the usual names
ln -sfn pts/ptmx "$root/dev/ptmx"

# 34. make the directory / if it is missing
#     the working directory, while the root can still be written to
#     (nothing to type: the root is there)

# 35. enter the container's root with pivot_root and drop the old one
#     the host's files are out of reach from here on
cd "$root"
mount -n --move "$root" /

# 37. wait until the launcher says that the network is connected
#     the parameters that come next are an interface's
read -r word < "$run/connected"

# 38. set the kernel parameter net.ipv4.conf.eth1.rp_filter to 2
#     a parameter of its own namespace
printf '%s\n' 2 > /proc/sys/net/ipv4/conf/eth1/rp_filter

# 39. give the standard streams to user 0
#     so that it can open /dev/stdout again
#     (nothing to type: the streams of this script stay yours)

# 40. change to the directory /
#     while still root, who can make it; checked to lie inside
#     (nothing to type: capsh starts there)

# 41. drop from the bounding set all capabilities
#     nothing executed from here on, setuid or not, can get more than these
#     (a part of the last command)

# 42. become user 0, group 0, no further groups
#     after the mounts and the bounding set, which only root could do
#     (a part of the last command)

# 43. drop all capabilities; inheritable: none; ambient: none
#     after changing the user, which took the power to do so
#     (a part of the last command)

# 44. look for the program sh
#     so that its absence is told now, to whoever is waiting
program=; for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do if [ -x ".$dir/"sh ] || [ -L ".$dir/"sh ]; then program="$dir/"sh; break; fi; done; [ -n "$program" ]

# 45. tell the launcher that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 48. wait until the launcher says that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 49. execute sh with an empty environment, and the user's HOME
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

# 9. make sure that there is a bridge rcon0 with the addresses 172.17.0.1/16, fd00::1/64; what leaves it carries this machine's address, and nobody outside begins a conversation
#     the first container of a network makes it, and it stays for the next
ip link show dev rcon0 > /dev/null 2>&1 || ip link add rcon0 address 02:42:ac:11:00:01 type bridge
ip link set rcon0 alias 'rcon rcon0 /var/lib/it'\''s "here"'
echo 0 > /proc/sys/net/ipv6/conf/rcon0/accept_ra
ip address replace 172.17.0.1/16 broadcast + dev rcon0
ip address replace fd00::1/64 nodad dev rcon0
ip link set rcon0 up
nft -f - <<'RULES'
table inet rcon-rcon0
delete table inet rcon-rcon0
table inet rcon-rcon0 {
  comment "rcon rcon0 /var/lib/it's _here_"
  chain forward {
    type filter hook forward priority filter;
    iifname "rcon0" oifname "rcon0" accept
    iifname "rcon0" ip saddr != 172.17.0.0/16 drop
    iifname "rcon0" ip6 saddr != fd00::/64 drop
    iifname "rcon0" oifname "rc-*" drop
    oifname "rcon0" ct state established,related accept
    oifname "rcon0" drop
  }
  chain input {
    type filter hook input priority filter;
    iifname "rcon0" ip saddr != 172.17.0.0/16 drop
    iifname "rcon0" ip6 saddr != fd00::/64 ip6 saddr != fe80::/10 ip6 saddr != :: drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr 172.17.0.0/16 oifname != "rcon0" masquerade
    ip6 saddr fd00::/64 oifname != "rcon0" masquerade
  }
}
RULES
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding

# 10. make sure that there is a bridge rc-0 with the addresses 10.1.0.1/24; nothing goes in or out
#     the first container of a network makes it, and it stays for the next
ip link show dev rc-0 > /dev/null 2>&1 || ip link add rc-0 address 02:42:ac:11:00:01 type bridge
ip link set rc-0 alias 'rcon rc-0 /var/lib/it'\''s "here"'
echo 1 > /proc/sys/net/ipv6/conf/rc-0/disable_ipv6
ip address replace 10.1.0.1/24 broadcast + dev rc-0
ip link set rc-0 up
nft -f - <<'RULES'
table inet rcon-rc-0
delete table inet rcon-rc-0
table inet rcon-rc-0 {
  comment "rcon rc-0 /var/lib/it's _here_"
  chain forward {
    type filter hook forward priority filter;
    iifname "rc-0" oifname != "rc-0" drop
    oifname "rc-0" iifname != "rc-0" drop
    iifname "rc-0" oifname "rc-0" drop
  }
  chain input {
    type filter hook input priority filter;
    iifname "rc-0" ip saddr != 10.1.0.0/24 drop
    iifname "rc-0" ct state established,related accept
    iifname "rc-0" ip daddr 10.1.0.1 accept
    iifname "rc-0" drop
  }
}
RULES

# 12. wait until init says that there is a network to connect
#     only who is outside has power over both ends
hear network-made > /dev/null

# 13. make a pair of interfaces: rv0 in the bridge rcon0, and eth0 in the container, with the hardware address 02:42:ac:11:00:02 and packets of at most 1400 bytes
#     made in the container at once, so that it never stands among the host's
nsenter --net="/proc/$init/ns/net" sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6; echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra; echo 1 > /proc/sys/net/ipv4/conf/default/arp_notify'
ip link add rv0 mtu 1400 up master rcon0 type veth peer name eth0 address 02:42:ac:11:00:02 mtu 1400 netns "$init"

# 14. switch on eth0 with 172.17.0.2/16, fd00::2/64, and send through it by 172.17.0.1, fd00::1 what has no way of its own
#     from outside, so that the container needs no power over its network
nsenter --net="/proc/$init/ns/net" ip address add 172.17.0.2/16 broadcast + dev eth0
nsenter --net="/proc/$init/ns/net" ip address add fd00::2/64 nodad dev eth0
nsenter --net="/proc/$init/ns/net" ip link set eth0 up
nsenter --net="/proc/$init/ns/net" ip route add default via 172.17.0.1
nsenter --net="/proc/$init/ns/net" ip -6 route add default via fd00::1

# 15. make a pair of interfaces: rv1 in the bridge rc-0, apart from others there, and eth1 in the container, with the hardware address 02:42:ac:11:00:02 and packets of at most 1400 bytes
#     made in the container at once, so that it never stands among the host's
nsenter --net="/proc/$init/ns/net" sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; echo 1 > /proc/sys/net/ipv4/conf/default/arp_notify'
ip link add rv1 mtu 1400 up master rc-0 type veth peer name eth1 address 02:42:ac:11:00:02 mtu 1400 netns "$init"
ip link set rv1 type bridge_slave isolated on

# 16. switch on eth1 with 10.1.0.2/24
#     from outside, so that the container needs no power over its network
nsenter --net="/proc/$init/ns/net" ip address add 10.1.0.2/24 broadcast + dev eth1
nsenter --net="/proc/$init/ns/net" ip link set eth1 up

# 17. share the wire of up0 (bridge) with eth2 in the container, with the hardware address 02:42:ac:11:00:02 and packets of at most 1400 bytes
#     made in the container at once, so that it never stands among the host's
nsenter --net="/proc/$init/ns/net" sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; echo 1 > /proc/sys/net/ipv4/conf/default/arp_notify'
ip link add link up0 name eth2 address 02:42:ac:11:00:02 mtu 1400 netns "$init" type macvlan mode bridge

# 18. switch on eth2 with no address
#     from outside, so that the container needs no power over its network
nsenter --net="/proc/$init/ns/net" ip link set eth2 up

# 36. tell init that the network is connected
#     the parameters that come next are an interface's
tell connected

# 46. wait until init says that all is ready but the program
#     the container is created; only its program is missing
#     (nothing to type: the script goes straight on, there is nobody to wait for)

# 47. tell init that the program may start
#     its owner decides when it starts
#     (nothing to type: the script goes straight on, there is nobody to wait for)
wait "$started" || status=$?
started=
exit "$status"
