# Lets one machine in at some ports of this host, or takes that back: `gate open ADDRESS PORTS`, `gate close ADDRESS PORTS`. ADDRESS may be a name;
# PORTS is a port, or a first and a last one, as 49152-49215. It changes what the firewall does now and nothing that it is set up with.

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
what=$1
address=$2
ports=$3
has() { command -v "$1" >/dev/null 2>&1; }

case $address in
    *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) ;;
    *) address=$(getent ahosts "$address" | head -n 1 | cut -d ' ' -f 1) ;;
esac
[ -n "$address" ] || { echo "$2 is no address and no name that can be resolved" >&2; exit 1; }
family=ipv4
case $address in *:*) family=ipv6 ;; esac

if has firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then
    rule="rule family=$family source address=$address port port=$ports protocol=tcp accept"
    zone=$(cat /var/lib/multivm/lease/zone 2>/dev/null)
    if [ -z "$zone" ]; then
        link=$(ip -o route get "$address" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
        zone=$(firewall-cmd --get-zone-of-interface="$link" 2>/dev/null) || zone=$(firewall-cmd --get-default-zone)
        echo "$zone" >/var/lib/multivm/lease/zone
    fi
    case $what in
        open) exec firewall-cmd -q --zone="$zone" --add-rich-rule="$rule" ;;
        close) exec firewall-cmd -q --zone="$zone" --remove-rich-rule="$rule" ;;
    esac
fi

# A rule of iptables comes before those that are there.
tables=iptables
[ $family = ipv4 ] || tables=ip6tables
if has $tables && $tables -S INPUT 2>/dev/null | grep -q -v -x -e '-P INPUT ACCEPT'; then
    rule="INPUT -p tcp -s $address --dport $(echo "$ports" | tr - :) -m comment --comment multivm -j ACCEPT"
    case $what in
        open) $tables -C $rule 2>/dev/null || exec $tables -I $rule ;;
        close) while $tables -D $rule 2>/dev/null; do :; done ;;
    esac
    exit 0
fi

has nft || exit 0
# Every chain that filters what comes in, except those that iptables makes.
nft list chains 2>/dev/null | awk '/^table/ { table = $2 " " $3 } /chain/ { chain = $2 } /type filter hook input/ { print table, chain }' |
while read -r kind table chain; do
    case $kind in inet | ip | ip6) ;; *) continue ;; esac
    match="ip saddr"
    [ $family = ipv4 ] || match="ip6 saddr"
    case $what in
        open) nft insert rule "$kind" "$table" "$chain" $match "$address" tcp dport "$ports" accept comment '"multivm"' || exit 1 ;;
        close)
            nft -a list chain "$kind" "$table" "$chain" | grep -F "saddr $address " | grep -F "dport $ports " | grep -F 'comment "multivm"' |
            sed 's/.* handle //' | while read -r handle; do nft delete rule "$kind" "$table" "$chain" handle "$handle"; done
            ;;
    esac
done
