# $1 a signal, $2 seconds to wait for the end before KILL, or nothing; then PID:START of each process. Signals only those that are still
# the same. POSIX sh.
LC_ALL=C
export LC_ALL
signal=$1 grace=$2
shift 2
same() {
    # What follows the last parenthesis: a process may give itself any name. Field 22 is counted from field 3.
    stat=$(sed -n '$s/.*) //p' "/proc/${1%:*}/stat" 2>/dev/null)
    case $stat in '' | Z*) return 1 ;; esac
    [ "$(echo "$stat" | cut -d' ' -f20)" = "${1#*:}" ]
}
for one; do
    same "$one" || { echo gone; continue; }
    kill -s "$signal" "${one%:*}" && echo signalled || echo failed
done
[ -n "$grace" ] || exit 0
left=$((grace * 5))
while :; do
    alive=
    for one; do
        same "$one" && alive="$alive $one"
    done
    [ -n "$alive" ] || exit 0
    [ "$left" -gt 0 ] || break
    left=$((left - 1))
    sleep 0.2 2>/dev/null || { sleep 1; left=$((left - 4)); }
done
for one in $alive; do
    same "$one" && kill -s KILL "${one%:*}" && echo killed
done
exit 0
