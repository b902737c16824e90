# $1 the service, $2 its manager or nothing, $3 runit's directory of services or nothing.
# Prints NAME=VALUE lines. POSIX sh; reads only.
LC_ALL=C
export LC_ALL
name=$1
manager=$2
directory=${3:-/etc/service}
if [ -z "$manager" ]; then
    if [ -n "$3" ] && [ -d "$3/$name" ]; then manager=runit
    elif [ -d /run/systemd/system ]; then manager=systemd
    elif [ -d "$directory/$name" ]; then manager=runit
    elif [ -x "/etc/init.d/$name" ]; then manager=sysv
    fi
fi
echo "manager=$manager"
pid=
case $manager in
systemd)
    shown=$(systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p MainPID \
        -p ExecMainStartTimestampMonotonic -p ExecMainStatus -p Result -p NRestarts -- "$name") || exit 3
    printf '%s\n' "$shown"
    pid=$(printf '%s\n' "$shown" | sed -n 's/^MainPID=//p')
    ;;
sysv)
    [ -x "/etc/init.d/$name" ] || echo missing=yes
    service "$name" status >/dev/null 2>&1
    echo "status=$?"
    for file in "/run/$name.pid" "/var/run/$name.pid" "/run/$name/$name.pid"; do
        [ -z "$pid" ] && [ -r "$file" ] && pid=$(sed -n '1s/[^0-9].*//;1p' "$file")
    done
    started=no
    for link in /etc/rc[2-5].d/S[0-9][0-9]"$name"; do
        [ -e "$link" ] && started=yes
    done
    echo "enabled=$started"
    ;;
runit)
    said=$(sv status "$directory/$name" 2>&1)
    said=${said%%;*}
    printf 'sv=%s\n' "$said"
    pid=$(printf '%s\n' "$said" | sed -n 's/^run: .*(pid \([0-9][0-9]*\)).*/\1/p')
    if [ -e "$directory/$name/down" ]; then echo enabled=no; else echo enabled=yes; fi
    ;;
esac
case $pid in
'' | 0 | *[!0-9]*) exit 0 ;;
esac
echo "uptime=$(cut -d' ' -f1 /proc/uptime)"
echo "ticks=$(getconf CLK_TCK 2>/dev/null || echo 100)"
# What follows the last parenthesis: a process may give itself any name.
stat=$(sed -n '$s/.*) //p' "/proc/$pid/stat" 2>/dev/null) || exit 0
[ -n "$stat" ] || exit 0
echo "pid=$pid"
echo "stat=$stat"
