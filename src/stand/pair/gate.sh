# Lets one machine in at some ports of this host, or takes that back: `gate open ADDRESS PORTS`, `gate close ADDRESS PORTS`. ADDRESS may be a name;
# PORTS is a port, or a first and a last one, as 49152-49215, of TCP, or of UDP with `/udp` behind it. It changes what the firewall does now and nothing that it is set up with.
#
# Closing goes by the notes in the lease: what a firewall was asked for is noted before, and is closed when the firewall says that it is gone.

PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
what=$1
ports=${3%/*}
protocol=tcp
[ "$ports" = "$3" ] || protocol=${3#*/}
cd /var/lib/multivm/lease || exit 1
has() { command -v "$1" >/dev/null 2>&1; }
fail() { echo "$1" >&2; exit 1; }
# A full disk may take a file and not what is in it.
note() { { echo "$2" >"$1" && [ "$(cat "$1")" = "$2" ]; } || fail "the lease takes no note, and $ports/$protocol stays closed for $address"; }

# What a name stood for when it was opened for is closed for.
address=$(cat "address.$2" 2>/dev/null)
if [ -z "$address" ]; then
    [ "$what" = open ] || exit 0
    case $2 in
        *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) address=$2 ;;
        *) address=$(getent ahosts "$2" | head -n 1 | cut -d ' ' -f 1) ;;
    esac
    [ -n "$address" ] || fail "$2 is no address and no name that can be resolved"
    note "address.$2" "$address"
fi
family=ipv4
tables=iptables
case $address in *:*) family=ipv6 tables=ip6tables ;; esac
gate=$2.$ports.$protocol
mark="multivm $address $ports/$protocol"

rule="rule family=$family source address=$address port port=$ports protocol=$protocol accept"
zone=$(cat "zone.$2" 2>/dev/null)
firewalld() { firewall-cmd -q --zone="$zone" "$@" 2>/dev/null; }
# Whether firewalld was asked to open this since the host's boot, and what was there before: at that time, and for good.
boot=$(cat /proc/sys/kernel/random/boot_id)
asked_firewalld() { read -r theirs lasting since 2>/dev/null <"firewalld.$gate" && [ "$since" = "$boot" ]; }
# What is gone with firewalld's daemon (252) or with the zone (112) is gone, too.
is_gone() { firewalld --query-rich-rule="$rule"; case $? in 1 | 112 | 252) ;; *) false ;; esac; }

# iptables, by whichever of its two kinds the host has chosen, and the older kind by its own name: a host may have rules of both.
tools="$tables $tables-legacy"
# A rule of iptables comes before those that are there.
put() { "$1" -w "$2" INPUT -p "$protocol" -s "$address" --dport "$(echo "$ports" | tr - :)" -m comment --comment "$mark" -j ACCEPT 2>/dev/null; }

# The rules of nftables that have the mark: KIND TABLE CHAIN HANDLE.
marked() {
    rules=$(nft -a list ruleset) || return
    printf '%s\n' "$rules" | MARK=$mark awk '
        $1 == "table" { table = $2 " " $3 }
        $1 == "chain" { chain = $2 }
        index($0, "comment \"" ENVIRON["MARK"] "\"") { print table, chain, $NF }'
}

if [ "$what" = close ]; then
    # firewalld's rules do not outlive a boot: one that is there in another boot is somebody's.
    if asked_firewalld && [ "$theirs" = no ]; then
        if [ "$lasting" = no ] && firewalld --permanent --query-rich-rule="$rule"; then
            echo "left: firewalld lets $address in at $ports/$protocol, and does so for good by now: somebody has made it permanent"
        else
            firewalld --remove-rich-rule="$rule"
            is_gone || fail "firewalld does not say that $address is not let in any more at $ports/$protocol"
        fi
    fi
    for tool in $tools; do
        [ -e "$tool.$gate" ] || continue
        while put "$tool" -D; do :; done
        rules=$("$tool" -w -S INPUT) || fail "$tool does not say which rules there are"
        case $rules in *"\"$mark\""*) fail "$tool still has the rule \"$mark\"" ;; esac
    done
    if [ -e "nft.$gate" ]; then
        found=$(marked) || fail 'nft does not say which rules there are'
        printf '%s\n' "$found" | while read -r kind table chain handle; do
            [ -z "$kind" ] || nft delete rule "$kind" "$table" "$chain" handle "$handle"
        done
        found=$(marked) || fail 'nft does not say which rules there are'
        [ -z "$found" ] || fail "nftables still has the rule \"$mark\": $found"
    fi
    exit 0
fi

if [ -n "$zone" ] || { has firewall-cmd && [ "$(firewall-cmd --state 2>/dev/null)" = running ]; }; then
    if [ -z "$zone" ]; then
        link=$(ip -o route get "$address" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
        zone=$(firewall-cmd --get-zone-of-interface="$link" 2>/dev/null) || zone=$(firewall-cmd --get-default-zone)
        note "zone.$2" "$zone"
    fi
    if ! asked_firewalld; then
        # A rule that is there already is somebody's, and stays.
        theirs=no lasting=no
        ! firewalld --query-rich-rule="$rule" || theirs=yes
        ! firewalld --permanent --query-rich-rule="$rule" || lasting=yes
        note "firewalld.$gate" "$theirs $lasting $boot"
    fi
    [ "$theirs" = no ] || exit 0
    firewall-cmd -q --zone="$zone" --add-rich-rule="$rule"
    exit
fi

# The chain of nftables that iptables has answered for.
answered=
for tool in $tools; do
    # The older kind would load the kernel's tables to say that they are empty.
    case $tool in *-legacy) grep -q -s -x filter "/proc/net/${tables%tables}_tables_names" || continue ;; esac
    has "$tool" && rules=$("$tool" -w -S INPUT 2>/dev/null) || continue
    case $("$tool" --version) in *nf_tables*) answered=yes ;; esac
    [ "$rules" != '-P INPUT ACCEPT' ] || continue
    note "$tool.$gate" yes
    put "$tool" -C || put "$tool" -I || fail "$tool does not take a rule"
done

has nft || exit 0
# Every chain that filters what comes in, but that of iptables, which has its own rule where it needs one. Without iptables, or with
# rules that it does not understand, a chain of this name is like any other.
chains=$(nft list chains 2>/dev/null) || exit 0
printf '%s\n' "$chains" | awk '/^table/ { table = $2 " " $3 } /chain/ { chain = $2 } /type filter hook input/ { print table, chain }' |
while read -r kind table chain; do
    match="ip saddr"
    [ $family = ipv4 ] || match="ip6 saddr"
    case "$kind $family $table" in
        'ip ipv4 filter' | 'ip6 ipv6 filter') [ "$chain" != INPUT ] || [ -z "$answered" ] || continue ;;
        'ip ipv4 '* | 'ip6 ipv6 '* | inet*) ;;
        *) continue ;;
    esac
    note "nft.$gate" yes
    nft insert rule "$kind" "$table" "$chain" $match "$address" "$protocol" dport "$ports" accept comment "\"$mark\"" || exit 1
done
