# $1 whether a file that some process holds open is emptied rather than removed; then what `find` is given. $RUNBOOK_LISTED holds the
# files that were shown, as "inode size mtime" lines. Removes those that are still so, and tells about each. POSIX sh.
LC_ALL=C
export LC_ALL
RUNBOOK_KEEP=$1
# `find` would fill in a pair of braces inside the script, too.
RUNBOOK_BRACES='{}'
export RUNBOOK_KEEP RUNBOOK_BRACES
shift
find "$@" -exec sh -c '
line="
"
open=
[ "$RUNBOOK_KEEP" != yes ] || open=$line$(find -L /proc/[0-9]*/fd -maxdepth 1 -type f -exec stat -L -c "%d:%i %n" -- "$RUNBOOK_BRACES" + 2>/dev/null)
for path; do
    dir=${path%/*}
    file=./${path##*/}
    # No part of the way there may be a link, now or a moment ago: whoever owns a directory below could turn it into one.
    cd -P -- "${dir:-/}" 2>/dev/null && [ "$PWD" = "${dir:-/}" ] || { echo moved; continue; }
    [ -f "$file" ] && [ ! -L "$file" ] || { echo gone; continue; }
    numbers=$(stat -c "%i %s %Y %d %b %B %h" -- "$file") || { echo gone; continue; }
    listed=${numbers%% *}; rest=${numbers#* }
    listed="$listed ${rest%% *}"; rest=${rest#* }
    listed="$listed ${rest%% *}"; rest=${rest#* }
    case "$line$RUNBOOK_LISTED$line" in *"$line$listed$line"*) ;; *) continue ;; esac
    device=${rest%% *}
    key="$device:${numbers%% *}"
    case "$open" in
    *"$line$key "*)
        # Through the open file itself, so that it is this one whatever its name means by now.
        held=${open#*"$line$key "}
        held=${held%%"$line"*}
        [ "$(stat -L -c "%d:%i" -- "$held" 2>/dev/null)" = "$key" ] && : >"$held" && echo "emptied ${rest#* }" || echo failed
        ;;
    *) rm -f -- "$file" && echo "deleted ${rest#* }" || echo failed ;;
    esac
done
exit 0
' sh {} +
# A directory that nobody may enter held nothing that was listed; that what was listed is gone is looked at afterwards.
[ "$?" -le 1 ]
