# $1 the path, $2 how many of the largest files to name. POSIX sh; reads only.
LC_ALL=C
export LC_ALL
df -P -k -- "$1" || exit
[ "$2" -gt 0 ] || exit 0
mount=$(df -P -k -- "$1" | sed -n '2s/^.*[0-9]% *//p')
line='
'
# What is smaller than 1 MiB fills no disk; a name with a line break would be read as two.
find "$mount" -xdev -type f -size +2047 ! -path "*$line*" -exec stat -c '%b %B %n' -- {} + 2>/dev/null |
    awk '{ b = $1 * $2; sub(/^[0-9]+ [0-9]+ /, ""); printf "file=%.0f %s\n", b, $0 }' |
    sort -t= -k2,2nr | head -n "$2" | cut -b 1-1000
