# Lets one machine in at some ports of this host, or takes that back: `gate open ADDRESS PORTS`, `gate close ADDRESS PORTS`. ADDRESS may be a name;
# PORTS is a port, or a first and a last one, as 49152-49215, of TCP, or of UDP with `/udp` behind it. It changes what the firewall does now and nothing that it is set up with.

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
what=$1
ports=${3%/*}
protocol=tcp
[ "$ports" = "$3" ] || protocol=${3#*/}
cd /var/lib/multivm/lease || exit 1
has() { command -v "$1" >/dev/null 2>&1; }

# What a name stood for when it was opened for is closed for.
address=$(cat "address.$2" 2>/dev/null)
if [ -z "$address" ]; then
    [ "$what" = open ] || exit 0
    case $2 in
        *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) address=$2 ;;
        *) address=$(getent ahosts "$2" | head -n 1 | cut -d ' ' -f 1) ;;
    esac
    [ -n "$address" ] || { echo "$2 is no address and no name that can be resolved" >&2; exit 1; }
    echo "$address" >"address.$2"
fi
family=ipv4
case $address in *:*) family=ipv6 ;; esac
theirs=theirs.$2.$ports.$protocol
seen=seen.$2.$ports.$protocol
mark="multivm $address $ports/$protocol"

zone=$(cat "zone.$2" 2>/dev/null)
if [ -n "$zone" ] || { has firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; }; then
    rule="rule family=$family source address=$address port port=$ports protocol=$protocol accept"
    if [ -z "$zone" ]; then
        link=$(ip -o route get "$address" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
        zone=$(firewall-cmd --get-zone-of-interface="$link" 2>/dev/null) || zone=$(firewall-cmd --get-default-zone)
        echo "$zone" >"zone.$2"
    fi
    if [ ! -e "$seen" ]; then
        # A rule that is there already is somebody's, and stays.
        ! firewall-cmd -q --zone="$zone" --query-rich-rule="$rule" 2>/dev/null || : >"$theirs"
        : >"$seen"
    fi
    [ ! -e "$theirs" ] || exit 0
    case $what in
        open) exec firewall-cmd -q --zone="$zone" --add-rich-rule="$rule" ;;
        close)
            firewall-cmd -q --zone="$zone" --remove-rich-rule="$rule" && exit 0
            ! firewall-cmd -q --zone="$zone" --query-rich-rule="$rule"
            exit
            ;;
    esac
fi

# A rule of iptables comes before those that are there.
tables=iptables
[ $family = ipv4 ] || tables=ip6tables
if has $tables && $tables -S INPUT 2>/dev/null | grep -q -v -x -e '-P INPUT ACCEPT'; then
    put() { $tables "$1" INPUT -p "$protocol" -s "$address" --dport "$(echo "$ports" | tr - :)" -m comment --comment "$mark" -j ACCEPT 2>/dev/null; }
    case $what in
        open) put -C || put -I || exit 1 ;;
        close) while put -D; do :; done ;;
    esac
fi

has nft || exit 0
# Every chain that filters what comes in, but those of iptables, which has its own rule now.
nft list chains 2>/dev/null | awk '/^table/ { table = $2 " " $3 } /chain/ { chain = $2 } /type filter hook input/ { print table, chain }' |
while read -r kind table chain; do
    match="ip saddr"
    [ $family = ipv4 ] || match="ip6 saddr"
    case "$kind $family $table" in
        'ip ipv4 filter' | 'ip6 ipv6 filter') [ "$chain" != INPUT ] || continue ;;
        'ip ipv4 '* | 'ip6 ipv6 '* | inet*) ;;
        *) continue ;;
    esac
    case $what in
        open) nft insert rule "$kind" "$table" "$chain" $match "$address" "$protocol" dport "$ports" accept comment "\"$mark\"" || exit 1 ;;
        close)
            nft -a list chain "$kind" "$table" "$chain" | grep -F "comment \"$mark\"" | sed 's/.* handle //' |
            while read -r handle; do nft delete rule "$kind" "$table" "$chain" handle "$handle" || exit 1; done
            ;;
    esac
done
