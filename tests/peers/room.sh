# We are the first program of a test's room, in fresh mount, pid and net
# namespaces; our job is to furnish them and then to hold them open until our
# standard input ends. It ends when the test does, however the test ends, and
# then the kernel kills every process in here and drops every mount.
#
# $1: a folder with the files subuid and subgid to show inside.
set -eu

# Before /proc is replaced: our pid as the test sees it.
read -r pid _ </proc/self/stat
mount -t proc proc /proc

# What the peers put in these stays in the room.
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir /run/lock
mount --bind "$1/subuid" /etc/subuid
mount --bind "$1/subgid" /etc/subgid
ip link set lo up

echo "$pid"
while read -r _; do :; done
