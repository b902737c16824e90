# $1 a path. Prints what it is, itself and not what a link there leads to; the link's target last. POSIX sh; reads only.
LC_ALL=C
export LC_ALL
if [ ! -e "$1" ] && [ ! -L "$1" ]; then
    # Nobody can tell what is behind a directory that he may not enter.
    dir=$(dirname -- "$1")
    [ ! -d "$dir" ] || [ -x "$dir" ] || { echo "$dir may not be entered" >&2; exit 1; }
    echo kind=absent
    exit 0
fi
if [ -L "$1" ]; then kind=link
elif [ -d "$1" ]; then kind=directory
elif [ -f "$1" ]; then kind=file
else kind=other
fi
echo "kind=$kind"
stat -c 'mode=%a
owner=%U
group=%G
size=%s
modified=%Y' -- "$1" || exit
echo "now=$(date +%s)"
if [ "$kind" = directory ]; then
    [ -n "$(ls -A -- "$1" | head -n 1)" ] && echo empty=no || echo empty=yes
fi
[ "$kind" != link ] || printf 'target=%s' "$(readlink -- "$1")"
