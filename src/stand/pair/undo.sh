# Puts back what multivm changed on this host, the latest change first, and gives the host's lease back. It is done by whoever comes first:
# the controller at the end of a run, `multivm reap` of any controller, or this host itself when the controller is gone.
#
# What cannot be put back is said, and stays in the lease for the next attempt. What is somebody else's by now stays as it is, and is said, too,
# in a line that begins with `left: `.

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
home=/var/lib/multivm
lease=$home/lease
cd "$lease" 2>/dev/null || exit 0
if command -v flock >/dev/null 2>&1; then
    exec 9>lock
    # Changes that are still being made come first.
    flock -w 240 9 || { echo 'something else works on the lease, and does not end'; exit 1; }
fi
# Another one may have been faster, and the lease there now may be somebody else's.
[ "$lease/undo" -ef undo ] || exit 0

# A storage that does not answer must hold up nothing else. A change that takes its time says so in its first line.
limited() {
    limit=$(sed -n '1s/^# limit //p' "$1")
    if timeout -k 5 5 true 2>/dev/null; then timeout -k 5 "${limit:-120}" sh "$1"; else sh "$1"; fi
}
failed=
for change in $(ls changes | sort -r); do
    if said=$(limited "changes/$change" 2>&1 </dev/null 9>&-); then
        rm -f "changes/$change"
        printf '%s\n' "$said" | sed -n "s/^left: /left: $change: /p"
    else
        failed=yes
        printf '%s: %s\n' "$change" "${said:-it does not end}"
    fi
done
[ -z "$failed" ] || exit 1

watcher=$(cat watcher 2>/dev/null)
unit=$(cat unit 2>/dev/null)
mode=$(cat home 2>/dev/null)
cd /
# It goes at once, not file by file: nobody takes a part of a lease for one.
mv -T "$lease" "$lease.over" && rm -rf "$lease.over"
# A folder that was there before has its mode of that time.
if [ -n "$mode" ]; then chmod "$mode" "$home"; else rmdir "$home" 2>/dev/null; fi
# It ends by itself where it is what puts the host back. Since the host's last boot the number may be another process's.
[ "$watcher" != "$PPID" ] || exit 0
[ -z "$watcher" ] || ! grep -q -s lease/watch "/proc/$watcher/cmdline" || kill "$watcher" 2>/dev/null
# What systemd started is gone when this returns.
[ -z "$unit" ] || timeout 20 systemctl stop "$unit" 2>/dev/null
exit 0
