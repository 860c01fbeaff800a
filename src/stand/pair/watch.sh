# Ends a lease whose controller is gone: nobody has touched `beat` for $1 seconds. What cannot be put back is tried again.
#
# The seconds are those that the host is up: a clock that is set is no silence. A new watcher counts from zero.

lease=/var/lib/multivm/lease
echo $$ >"$lease/watcher"
up() { cut -d . -f 1 /proc/uptime; }
heard=
while [ -e "$lease/beat" ]; do
    last=$(stat -c %y "$lease/beat")
    if [ "$last" != "$heard" ]; then
        heard=$last
        since=$(up)
    fi
    if [ $(($(up) - since)) -ge "$1" ]; then
        sh "$lease/undo" && exit
        sleep 60
    fi
    sleep 15
done
