# $1 where the console is, $2 the database in double quotes, $3 seconds; standard input: a password or nothing. Waits until no query
# is under way; when that takes longer, lets the database go on and fails. POSIX sh.
LC_ALL=C
PGCONNECT_TIMEOUT=5
PGAPPNAME=runbook
export LC_ALL PGCONNECT_TIMEOUT PGAPPNAME
IFS= read -r PGPASSWORD
if [ -n "$PGPASSWORD" ]; then export PGPASSWORD; else unset PGPASSWORD; fi
psql -X -q -w -v ON_ERROR_STOP=1 -d "$1" -c "PAUSE $2" </dev/null &
pausing=$!
left=$(($3 * 5))
while kill -0 "$pausing" 2>/dev/null; do
    if [ "$left" -le 0 ]; then
        # Whoever goes away while it waits leaves the database paused.
        kill "$pausing" 2>/dev/null
        wait "$pausing" 2>/dev/null
        psql -X -q -w -d "$1" -c "RESUME $2" </dev/null >&2
        echo "queries were still under way after $3 s; the database goes on" >&2
        exit 1
    fi
    left=$((left - 1))
    sleep 0.2 2>/dev/null || { sleep 1; left=$((left - 4)); }
done
wait "$pausing"
