# Says who has this host by a lease of multivm's: nothing if nobody has.

lease=/var/lib/multivm/lease
if [ -d "$lease" ]; then
    holder=$(head -n 1 "$lease/holder" 2>/dev/null)
    say lease "${holder:-nobody knows whom}"
    say lease_run "$(head -n 1 "$lease/run" 2>/dev/null)"
    beat=$(stat -c %Y "$lease/beat" 2>/dev/null)
    [ -z "$beat" ] || say lease_silence_s "$(($(date +%s) - beat))"
fi
