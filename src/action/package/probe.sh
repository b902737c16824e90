# $1 the package, $2 what to simulate: install, remove or nothing, $3 the version to install or nothing.
# Prints NAME=VALUE lines. POSIX sh; reads only.
LC_ALL=C
export LC_ALL
name=$1
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
    for other in dnf yum zypper apk pacman; do
        command -v "$other" >/dev/null 2>&1 && echo "other=$other" && break
    done
    exit 0
fi
echo manager=apt
dpkg-query -W -f='status=${db:Status-Status}\nwant=${db:Status-Want}\nversion=${Version}\n' -- "$name" 2>/dev/null | head -n 3
apt-cache policy -- "$name" | sed -n 's/^  Candidate: /candidate=/p' | head -n 1
apt-cache madison -- "$name" 2>/dev/null | sed -n -e '/ Sources$/d' -e 's/^[^|]*| *\([^ |]*\) *|.*/offer=\1/p' | head -n 50
lists=$(apt-config shell d Dir::State::lists/d)
lists=${lists#*\'}
lists=${lists%\'}
changed=$(stat -c %Y -- "$lists" 2>/dev/null) && echo "lists_age=$(($(date +%s) - changed))"
[ -n "$2" ] || exit 0
set -- "$2" "$name${3:+=$3}" ${3:+--allow-downgrades}
word=$1 package=$2
shift 2
apt-get -s -q --allow-change-held-packages "$@" "$word" -- "$package" 2>&1 |
    sed -n -e 's/^Inst /sim=Inst /p' -e 's/^Remv /sim=Remv /p' -e 's/^Purg /sim=Remv /p' -e 's/^E: /sim=E: /p' | head -n 500
