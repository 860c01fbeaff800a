# Ends a lease whose controller is gone: nobody has touched `beat` for $1 seconds. What cannot be put back is tried again.

lease=/var/lib/multivm/lease
echo $$ >"$lease/watcher"
while sleep 15 && [ -e "$lease/beat" ]; do
    age=$(($(date +%s) - $(stat -c %Y "$lease/beat")))
    [ "$age" -lt "$1" ] || sh "$lease/undo" || sleep 60
done
