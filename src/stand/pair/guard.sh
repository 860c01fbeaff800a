# Starts `watch`, which ends this host's lease when nobody has touched `beat` for $1 seconds, unless it runs. systemd has it outlive the login and
# starts it again if something kills it; it leaves nothing when it ends.

unit=multivm-lease
lease=/var/lib/multivm/lease
watcher=$(cat "$lease/watcher" 2>/dev/null)
# Since the host's last boot the number may be another process's.
[ -z "$watcher" ] || ! grep -q -s lease/watch "/proc/$watcher/cmdline" || exit 0
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
    echo "$unit" >"$lease/unit"
    # It may be about to start again.
    case $(systemctl is-active "$unit" 2>/dev/null) in active | activating) exit 0 ;; esac
    systemd-run -q --collect --unit="$unit" -p Restart=on-failure -p RestartSec=15 sh "$lease/watch" "$1" >/dev/null 2>&1 </dev/null && exit 0
fi
if command -v setsid >/dev/null 2>&1; then set -- setsid sh "$lease/watch" "$1"; else set -- sh "$lease/watch" "$1"; fi
nohup "$@" >/dev/null 2>&1 </dev/null &
