# $1 where to connect to; standard input: a password or nothing on the first line, then what psql is to do. POSIX sh.
LC_ALL=C
PGCONNECT_TIMEOUT=5
PGAPPNAME=runbook
export LC_ALL PGCONNECT_TIMEOUT PGAPPNAME
IFS= read -r PGPASSWORD
if [ -n "$PGPASSWORD" ]; then export PGPASSWORD; else unset PGPASSWORD; fi
exec psql -X -q -w --csv -v ON_ERROR_STOP=1 -d "$1"
