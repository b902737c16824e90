# Becomes PID 1 of namespaces of its own, with a root of its own in which nothing but the system's programs is the host's.
# $1 a folder for the new root, $2 the files to put into it, $3 what PID 1 shall be: systemd, or none for a bare init.
# Prints its process id as the host counts. What follows sees no device, no setting of the kernel and no file of the host.
set -eu
read -r pid rest </proc/self/stat
echo "$pid"
cd "$1"
mount -t tmpfs -o mode=755,size=64m tmpfs .
cd "$1"
mkdir usr etc proc sys dev run tmp var var/lib var/log var/tmp root opt old
mount --rbind /usr usr
mount -o remount,bind,ro usr
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then
        cp -P "/$name" "$name"
    elif [ -d "/$name" ]; then
        mkdir "$name"
        mount --rbind "/$name" "$name"
        mount -o remount,bind,ro "$name"
    fi
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,size=64m tmpfs run
mount -t tmpfs -o mode=755,size=1m tmpfs dev
for name in null zero full random urandom; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
for name in passwd group nsswitch.conf ld.so.cache ld.so.conf alternatives; do
    if [ -e "/etc/$name" ]; then cp -a "/etc/$name" "etc/$name"; fi
done
# Without an identity systemd takes this for a first boot and applies the presets of every package.
echo 0123456789abcdef0123456789abcdef >etc/machine-id
cp -R "$2/." .
library=lib
[ -L lib ] && library=usr/lib
# The units of the host's packages would be pulled in by each unit with default dependencies.
for name in system system-generators system-preset; do
    [ -d "$library/systemd/$name" ] && mount -t tmpfs -o mode=755,size=1m tmpfs "$library/systemd/$name"
done
pivot_root . old
cd /
umount -l old
rmdir old
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$3" = systemd ]; then
    # Whatever a service manager would do to the machine, it has no right to.
    exec env -i PATH="$PATH" container=test setpriv --bounding-set -sys_time,-sys_boot,-sys_module,-sys_rawio,-syslog \
        "/$library/systemd/systemd" --system --show-status=no --log-target=null
fi
# The wait also takes in the ends of processes whose parents have gone, as PID 1 must.
exec env -i PATH="$PATH" sh -c 'while :; do sleep 3600 & wait; done'
