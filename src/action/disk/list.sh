# $1 how many directories, $2 how many files at most, $3 a path of the only file system that is meant, or nothing, $4 whether to say
# which files are open; then what `find` is given, directories first. Prints what is there, names last. POSIX sh; reads only.
LC_ALL=C
export LC_ALL
dirs=$1 most=$2 only=$3 open=$4
shift 4
[ -z "$only" ] || device=$(stat -c %d -- "$only") || exit
number=0
for dir; do
    number=$((number + 1))
    [ "$number" -le "$dirs" ] || break
    state=ok
    if [ ! -d "$dir" ]; then
        state=missing
        [ ! -e "$dir" ] && [ ! -L "$dir" ] || state=no-directory
    elif [ "$(cd -P -- "$dir" && pwd -P)" != "$dir" ]; then
        state=link
    elif [ -n "$only" ] && [ "$(stat -c %d -- "$dir")" != "$device" ]; then
        state=elsewhere
    fi
    echo "dir $number $state"
    [ "$state" = ok ] || [ "$state" = missing ] || exit 0
done
line='
'
{
    find "$@" ! -path "*$line*" -exec stat -c 'file %d %i %s %Y %b %B %h %n' -- {} +
    # Of a name with a line break only the numbers are told: it cannot pass for another file.
    find "$@" -path "*$line*" -exec stat -c 'file %d %i %s %Y %b %B %h (a name with a line break)' -- {} +
} 2>/dev/null | cut -b 1-300 | head -n "$((most + 1))"
[ "$open" = yes ] || exit 0
[ "$(id -u)" = 0 ] && echo root
find -L /proc/[0-9]*/fd -maxdepth 1 -type f -exec stat -L -c 'open %d %i' -- {} + 2>/dev/null | sort -u | head -n 10000
