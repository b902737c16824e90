# The remote side of `runbook`: a resident POSIX shell that answers one line of requests at a time.
# Needs /proc, setsid, head -c, mkdir; installs nothing. The request line is written by the controller and is shell text:
# a line that the link cut short is never evaluated, because `read` fails without its newline.
# Every answer is framed by the request's nonce, on stdout and on stderr.
#
# Journal of an attempt, $RBK_S/<id>.j, append-only, one line per event:
#   C <pid> <born> <boot> run|fence   claim: created with O_EXCL, by whoever runs it or by whoever proves that it never will
#   S <pgid> <born> <user>            command started in its own session, as this user, `-` for the login user
#   W timeout|cancel|quota            why it is being killed
#   E <code>                          end
RBK_NL='
'
trap '' HUP PIPE

# NONCE KIND REST: one marker on each stream.
rbk_mark() { printf '\n%s %s %s\n' "$1" "$2" "$3"; printf '\n%s %s %s\n' "$1" "$2" "$3" >&2; }

# PID: fields of its stat into RBK_STATE, RBK_GROUP, RBK_SESSION, RBK_PARENT, RBK_BORN; false when there is no such process.
rbk_stat() {
  RBK_T=
  { while IFS= read -r RBK_X; do RBK_T="$RBK_T $RBK_X"; done <"/proc/$1/stat"; } 2>/dev/null
  [ -n "$RBK_T" ] || return 1
  # The name of a program is free text; only what follows the last bracket is numbers.
  set -- ${RBK_T##*) }
  RBK_STATE=$1 RBK_PARENT=$2 RBK_GROUP=$3 RBK_SESSION=$4
  shift 10
  RBK_BORN=${10}
}

# PID BORN: is it that very process, and not a zombie?
rbk_lives() { rbk_stat "$1" && [ "$RBK_BORN" = "$2" ] && [ "$RBK_STATE" != Z ] && [ "$RBK_STATE" != X ]; }

# ID run|fence: the gate, the same for the start and for the proof that there was none.
rbk_claim() {
  rbk_stat $$
  set -C
  { printf 'C %s %s %s %s\n' $$ "$RBK_BORN" "$RBK_BOOT" "$2" >"$RBK_S/$1.j"; } 2>/dev/null
  RBK_X=$?
  set +C
  return $RBK_X
}

# ID: its journal into RBK_C_PID, RBK_C_BORN, RBK_C_BOOT, RBK_C_KIND, RBK_PGID, RBK_PBORN, RBK_USER, RBK_WHY, RBK_CODE.
rbk_journal() {
  RBK_C_PID= RBK_C_BORN= RBK_C_BOOT= RBK_C_KIND= RBK_PGID= RBK_PBORN= RBK_USER=- RBK_WHY=- RBK_CODE=
  while read -r RBK_X RBK_A RBK_B RBK_D RBK_F; do
    case $RBK_X in
    C) RBK_C_PID=$RBK_A RBK_C_BORN=$RBK_B RBK_C_BOOT=$RBK_D RBK_C_KIND=$RBK_F ;;
    S) RBK_PGID=$RBK_A RBK_PBORN=$RBK_B RBK_USER=$RBK_D ;;
    W) RBK_WHY=$RBK_A ;;
    E) RBK_CODE=$RBK_A ;;
    esac
  done <"$RBK_S/$1.j"
}

# ID: the living processes of the attempt into RBK_LEFT: its session, its group, and whoever carries its mark.
rbk_left() {
  RBK_LEFT= RBK_P=$RBK_PGID
  # A leader of another birth means that the number was given away after the whole group had gone.
  if [ -n "$RBK_P" ] && rbk_stat "$RBK_P" && [ "$RBK_BORN" != "$RBK_PBORN" ]; then RBK_P=; fi
  if [ -n "$RBK_P" ]; then
    for RBK_D in /proc/[0-9]*; do
      rbk_stat "${RBK_D#/proc/}" || continue
      [ "$RBK_STATE" != Z ] && [ "$RBK_STATE" != X ] || continue
      if [ "$RBK_GROUP" = "$RBK_P" ] || [ "$RBK_SESSION" = "$RBK_P" ]; then RBK_LEFT="$RBK_LEFT ${RBK_D#/proc/}"; fi
    done
  fi
  for RBK_D in $(grep -lF "RUNBOOK_ATTEMPT=$1;" /proc/[0-9]*/environ 2>/dev/null); do
    RBK_D=${RBK_D#/proc/} RBK_D=${RBK_D%/environ}
    case " $RBK_LEFT " in *" $RBK_D "*) continue ;; esac
    rbk_stat "$RBK_D" || continue
    [ "$RBK_STATE" != Z ] && [ "$RBK_STATE" != X ] && RBK_LEFT="$RBK_LEFT $RBK_D"
  done
}

# ROOT: the living descendants of a process into RBK_LEFT.
rbk_below() {
  RBK_LEFT= RBK_ALL=
  for RBK_D in /proc/[0-9]*; do
    rbk_stat "${RBK_D#/proc/}" || continue
    [ "$RBK_STATE" != Z ] && [ "$RBK_STATE" != X ] && RBK_ALL="$RBK_ALL ${RBK_D#/proc/}:$RBK_PARENT"
  done
  RBK_F=" $1 "
  while :; do
    RBK_T=$RBK_F
    for RBK_D in $RBK_ALL; do
      case $RBK_F in *" ${RBK_D%:*} "*) continue ;; esac
      case $RBK_F in *" ${RBK_D#*:} "*) RBK_F="$RBK_F${RBK_D%:*} " RBK_LEFT="$RBK_LEFT ${RBK_D%:*}" ;; esac
    done
    [ "$RBK_T" != "$RBK_F" ] || break
  done
}

# SIGNAL USER: signals RBK_LEFT; what the login user may not signal is tried once more through sudo, never with a question.
rbk_signal() {
  RBK_F=
  for RBK_D in $RBK_LEFT; do
    kill -s "$1" "$RBK_D" 2>/dev/null || { [ -d "/proc/$RBK_D" ] && RBK_F="$RBK_F $RBK_D"; }
  done
  [ -n "$RBK_F" ] || return 0
  [ "$2" = - ] || sudo -n -u "$2" -- kill -s "$1" $RBK_F </dev/null >/dev/null 2>&1 ||
    sudo -n -- kill -s "$1" $RBK_F </dev/null >/dev/null 2>&1
}

# ID SECONDS GRACE: the deadline, enforced here although the controller may be long gone.
rbk_watch() {
  RBK_P=$!
  trap '[ "$!" = "$RBK_P" ] || kill "$!" 2>/dev/null; exit 0' TERM
  sleep "$2" &
  wait "$!"
  trap '' TERM
  rbk_end "$1" timeout "$3"
}

# ID WHY GRACE: TERM, then KILL to whatever is left.
rbk_end() {
  printf 'W %s\n' "$2" >>"$RBK_S/$1.j"
  rbk_journal "$1"
  rbk_left "$1"
  rbk_signal TERM "$RBK_USER"
  RBK_N=$(($3 * 5))
  while [ -n "$RBK_LEFT" ] && [ "$RBK_N" -gt 0 ]; do
    sleep 0.2 2>/dev/null || sleep 1
    RBK_N=$((RBK_N - 1))
    rbk_left "$1"
  done
  RBK_N=5
  while [ -n "$RBK_LEFT" ] && [ "$RBK_N" -gt 0 ]; do
    rbk_signal KILL "$RBK_USER"
    sleep 0.1 2>/dev/null || sleep 1
    RBK_N=$((RBK_N - 1))
    rbk_left "$1"
  done
}

# ID USER INPUT: becomes the command that rbk_command holds, in a session of its own. Its input is open by now.
rbk_start() {
  [ "$3" = /dev/null ] || rm -f "$3"
  trap - HUP PIPE
  # `$$` is still the resident shell; the reader of this file is this very process.
  read -r RBK_P RBK_X </proc/self/stat
  rbk_stat "$RBK_P"
  printf 'S %s %s %s\n' "$RBK_P" "$RBK_BORN" "$2" >>"$RBK_S/$1.j"
  RUNBOOK_ATTEMPT="$1;"
  export RUNBOOK_ATTEMPT
  rbk_command
}

# NONCE ID SECONDS GRACE USER KEEP INPUT: the durable execution of rbk_command; this shell is the supervisor.
rbk_run() {
  if ! rbk_claim "$2" run; then
    RBK_X=error
    if [ -e "$RBK_S/$2.j" ]; then
      rbk_journal "$2"
      RBK_X=duplicate
      [ "$RBK_C_KIND" != fence ] || RBK_X=fenced
    fi
    rbk_mark "$1" x "$RBK_X"
    return
  fi
  if ! (umask 077; printf '' >"$RBK_S/$2.out" && printf '' >"$RBK_S/$2.err") 2>/dev/null; then
    printf 'E 125\n' >>"$RBK_S/$2.j"
    rbk_mark "$1" x error
    return
  fi
  rbk_mark "$1" s started
  # The brackets matter: a redirected function call keeps the old streams open, and the link would seem to live on.
  (rbk_watch "$2" "$3" "$4") </dev/null >/dev/null 2>&1 &
  RBK_W=$!
  (rbk_start "$2" "$5" "$7") <"$7" >"$RBK_S/$2.out" 2>"$RBK_S/$2.err"
  RBK_X=$?
  RBK_Y=$RBK_X
  rbk_journal "$2"
  # A watchdog that has begun finishes its sweep first: the end is not told before the tree is dead.
  [ "$RBK_WHY" = timeout ] || kill "$RBK_W" 2>/dev/null
  wait "$RBK_W" 2>/dev/null
  rbk_journal "$2"
  printf 'E %s\n' "$RBK_Y" >>"$RBK_S/$2.j"
  rbk_mark "$1" d "$RBK_Y $RBK_WHY"
  rbk_output "$2" "$6"
}

# ID KEEP: what it wrote, each stream on its own stream, one byte more than is kept so that the cut is seen.
rbk_output() {
  [ ! -s "$RBK_S/$1.out" ] || head -c "$2" "$RBK_S/$1.out"
  [ ! -s "$RBK_S/$1.err" ] || head -c "$2" "$RBK_S/$1.err" >&2
}

# NONCE ID KEEP: takes the fence, else tells what became of the attempt.
rbk_attach() {
  if rbk_claim "$2" fence; then rbk_mark "$1" a never; return; fi
  if [ ! -e "$RBK_S/$2.j" ]; then rbk_mark "$1" a error; return; fi
  rbk_journal "$2"
  if [ "$RBK_C_KIND" = fence ]; then rbk_mark "$1" a never; return; fi
  if [ -z "$RBK_CODE" ] && [ -n "$RBK_C_KIND" ] && [ "$RBK_C_BOOT" = "$RBK_BOOT" ]; then
    if rbk_lives "$RBK_C_PID" "$RBK_C_BORN"; then rbk_mark "$1" a running; return; fi
    # It may have ended between the two looks.
    rbk_journal "$2"
  fi
  if [ -n "$RBK_CODE" ]; then
    rbk_mark "$1" a "done $RBK_CODE $RBK_WHY"
    rbk_output "$2" "$3"
  elif [ -z "$RBK_C_KIND" ]; then rbk_mark "$1" a "lost torn-claim"
  elif [ "$RBK_C_BOOT" != "$RBK_BOOT" ]; then rbk_mark "$1" a "lost reboot"
  else
    rbk_left "$2"
    if [ -n "$RBK_LEFT" ]; then rbk_mark "$1" a "orphan $RBK_LEFT"; else rbk_mark "$1" a "lost supervisor-died"; fi
  fi
}

# NONCE ID SIGNAL WHY: one round of killing; the controller waits between the rounds, so this shell stays free.
rbk_kill() {
  if rbk_claim "$2" fence; then rbk_mark "$1" k never; return; fi
  if [ ! -e "$RBK_S/$2.j" ]; then rbk_mark "$1" k error; return; fi
  rbk_journal "$2"
  if [ "$RBK_C_KIND" = fence ]; then rbk_mark "$1" k never; return; fi
  # What an attempt that ended by itself has left running, it meant to leave.
  if [ -n "$RBK_CODE" ] && [ "$RBK_WHY" = - ]; then rbk_mark "$1" k "done $RBK_CODE"; return; fi
  if [ "$4" != - ] && [ -z "$RBK_CODE" ]; then printf 'W %s\n' "$4" >>"$RBK_S/$2.j"; fi
  rbk_left "$2"
  [ -z "$RBK_LEFT" ] || [ "$3" = - ] || rbk_signal "$3" "$RBK_USER"
  rbk_mark "$1" k "left $RBK_LEFT"
}

# NONCE ID OUT ERR MOST: what was written since those offsets, and the size of both streams.
rbk_tail() {
  if [ ! -e "$RBK_S/$2.out" ] || [ ! -e "$RBK_S/$2.err" ]; then rbk_mark "$1" t 0; return; fi
  [ ! -s "$RBK_S/$2.out" ] || tail -c "+$(($3 + 1))" "$RBK_S/$2.out" 2>/dev/null | head -c "$5"
  [ ! -s "$RBK_S/$2.err" ] || tail -c "+$(($4 + 1))" "$RBK_S/$2.err" 2>/dev/null | head -c "$5" >&2
  rbk_mark "$1" t "$(($(wc -c <"$RBK_S/$2.out") + $(wc -c <"$RBK_S/$2.err")))"
}

# ROOT: ends whatever a resident shell has running below itself, not the shell.
rbk_reap() {
  RBK_N=20
  rbk_below "$1"
  while [ -n "$RBK_LEFT" ] && [ "$RBK_N" -gt 0 ]; do
    rbk_signal KILL -
    RBK_N=$((RBK_N - 1))
    rbk_below "$1"
  done
}

# LENGTH NONCE FILE: bytes of the request into a file that nobody else can read; whoever opens it removes it at once, for it may hold
# a secret. What stays unread would be taken for requests, so failure ends the shell.
rbk_spool() {
  (umask 077; head -c "$1" >"$3") && IFS= read -r RBK_X && [ "$RBK_X" = "$2" ] && return
  rm -f "$3"
  rbk_mark "$2" x error
  exit 74
}

# LENGTH NONCE: a request too long to be read byte by byte.
rbk_long() {
  RBK_LONG=$(head -c "$1") && IFS= read -r RBK_X && [ "$RBK_X" = "$2" ] || exit 74
  eval "$RBK_LONG"
}

# DIRECTORY: makes it ours alone; a link or somebody else's directory is refused.
rbk_own() {
  [ -d "$1" ] || mkdir -p -m 700 "$1" 2>/dev/null
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && chmod 700 "$1" 2>/dev/null && [ -w "$1" ] && { printf '' >"$1/.w"; } 2>/dev/null
}

# NONCE: who and where we are, then requests until the link ends.
rbk_main() {
  set -- "$1" "$(id)"
  RBK_U=${2#uid=} RBK_U=${RBK_U%%[!0-9]*}
  RBK_N=${2#*\(} RBK_N=${RBK_N%%)*}
  RBK_BOOT=
  { IFS= read -r RBK_BOOT </proc/sys/kernel/random/boot_id; } 2>/dev/null
  if [ -z "$RBK_BOOT" ] || ! rbk_stat $$; then rbk_mark "$1" x proc; exit 1; fi
  if ! command -v setsid >/dev/null 2>&1; then rbk_mark "$1" x setsid; exit 1; fi
  RBK_S=$HOME/.local/state/runbook/s
  if [ -z "$HOME" ] || ! rbk_own "$RBK_S"; then
    RBK_S=/var/tmp/runbook-$RBK_U
    rbk_own "$RBK_S" || { rbk_mark "$1" x state; exit 1; }
  fi
  rbk_mark "$1" h "$$ $RBK_U $RBK_N $RBK_BOOT $RBK_S"
  while IFS= read -r RBK_L; do eval "$RBK_L"; done
  # Claims outlive every run that could still ask for them; after a week nobody does.
  find "$RBK_S" -type f -mtime +7 -exec rm -f {} + >/dev/null 2>&1 </dev/null
}
