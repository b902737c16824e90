# $1 where memory is measured: none, host, cgroup, service; $2 the cgroup's path or the service; $3 the service's manager
# or nothing; $4 runit's directory of services or nothing; then any of cpu, load, disk.
# Prints what the system says, each part after a line "@@ NAME". POSIX sh; reads only.
LC_ALL=C
export LC_ALL
source=$1
name=$2
manager=$3
given=$4
shift 4
directory=${given:-/etc/service}
case $source in
host | cgroup | service)
    echo "@@ meminfo"
    cat /proc/meminfo
    ;;
esac
case $source in
cgroup)
    for file in memory.max memory.current memory.stat; do
        echo "@@ $file"
        cat "/sys/fs/cgroup/${name#/}/$file"
    done
    ;;
service)
    pid=
    if [ "$manager" = runit ] || { [ -z "$manager" ] && [ -d "$directory/$name/supervise" ]; }; then
        read -r pid <"$directory/$name/supervise/pid"
    elif [ "$manager" = systemd ] || { [ -z "$manager" ] && [ -d /run/systemd/system ]; }; then
        pid=$(systemctl show -p MainPID -- "$name" | sed -n 's/^MainPID=//p')
    else
        # Of several the last one named is the oldest.
        for one in $(pidof "$name"); do pid=$one; done
    fi
    echo "@@ pid"
    echo "${pid:-0}"
    if [ "${pid:-0}" -gt 0 ]; then
        echo "@@ limits"
        cat "/proc/$pid/limits"
        echo "@@ status"
        cat "/proc/$pid/status"
    fi
    ;;
esac
for part; do
    echo "@@ $part"
    case $part in
    cpu) getconf _NPROCESSORS_ONLN 2>/dev/null || nproc ;;
    load) cat /proc/loadavg ;;
    # One dead network mount must not hide the others.
    disk) df -P -k 2>/dev/null || : ;;
    esac
done
