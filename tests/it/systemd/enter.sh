# Makes a control group of its own below the caller's and turns into `unshare`, whose child is PID 1 of the new namespaces.
# $1 a folder to mount on, $2 the group's name, the rest: a command for PID 1. Runs in a mount namespace of its own.
set -eu
mount -t cgroup2 cgroup2 "$1"
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$1$own/$2"
echo $$ >"$1$own/$2/cgroup.procs"
umount "$1"
shift 2
exec unshare --pid --fork --kill-child --mount --uts --ipc --net --cgroup "$@"
