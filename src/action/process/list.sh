# Prints every process: what the kernel says after "@@ stat", what it is after "@@ ps". POSIX sh; reads only.
LC_ALL=C
export LC_ALL
echo "self=$$"
echo "@@ stat"
cat /proc/[0-9]*/stat 2>/dev/null
echo "@@ ps"
if ps -p 1 -o rss= >/dev/null 2>&1; then ps -eo pid=,rss=,user=,args= | cut -b 1-2000
else ps -o pid,rss,user,args | tail -n +2
fi
