# Says what can be observed of a host that multivm might change: a text between <<NAME and >>NAME for each kind. What changes by itself is not in it.
# What is there and does not let itself be observed is in the text `unobserved`: nothing can be said of it afterwards.

limit=30
text() {
    printf '<<%s\n' "$1"
    cat
    printf '\n>>%s\n' "$1"
}
missed=
# Takes what a program prints into $seen, for the kind $1.
see() {
    kind=$1
    shift
    seen=$(run "$@") || missed="$missed$kind: \`$*\` ended with $?
"
}
seen() { printf '%s\n' "$seen"; }

# Counters are no rules, and a chain without rules that lets everything in is none.
rules=
if has nft; then
    see rules nft list ruleset
    rules=$(seen | sed 's/counter packets [0-9]* bytes [0-9]*/counter/g')
fi
for save in iptables-save iptables-legacy-save ip6tables-save ip6tables-legacy-save; do
    has "$save" || continue
    # A host may have rules of both kinds of iptables. Those that nftables keeps are among those of nft, where it is there.
    case $save,$(run "$save" --version) in
        *-legacy-save,*) ;;
        *nf_tables*) ! has nft || continue ;;
        *) ! has "${save%-save}-legacy-save" || continue ;;
    esac
    see rules "$save"
    rules="$rules
$(seen | sed '/^#/d; s/\[[0-9]*:[0-9]*\]//g' | awk -v from="${save%%-*}" '/^[*]/ { table = substr($0, 2) } /^[:-]/ && !/^:[A-Z]+ ACCEPT/ { print from, table, $0 }')"
done
printf '%s\n' "$rules" | text rules
if has firewall-cmd; then
    # It talks to the kernel itself: a host may have it and no nft. It takes seconds on a slow machine. 252: it does not run.
    seen=$(limit=60 && run firewall-cmd --list-all-zones)
    case $? in 0 | 252) ;; *) missed="${missed}zones: \`firewall-cmd --list-all-zones\` did not answer
" ;; esac
    seen | text zones
fi
if has getsebool && [ "$(run getenforce)" != Disabled ]; then
    see booleans getenforce
    mode=$seen
    see booleans getsebool -a
    { echo "$mode"; seen; } | text booleans
fi
# Those whose values come from the kernel's own work are left out, and those of a module that it loads for a mount and keeps. Some
# cannot be read on some machines, whatever multivm does.
seen=$(run sysctl -a)
case $? in 124 | 137) missed="${missed}sysctls: \`sysctl -a\` took longer than $limit s
" ;; esac
seen | grep -v -e '^fs\.\(dentry\|inode\|file-nr\|quota\|aio-nr\)' -e '^kernel\.\(random\|ns_last_pid\|pty\.nr\)' -e 'conntrack' \
    -e '^net\.ipv[46]\.\(neigh\|conf\)\.vnet' -e '^kernel\.sched_domain' -e '^sunrpc\.' -e '^fs\.nfs\.' -e 'tcp_fastopen_key' -e 'stable_secret' -e '^kernel\.\(perf_event_max_sample_rate\|tainted\|hung_task_detect_count\)' -e 'expiring' | sort | text sysctls
sed -n 's/^\([^ ]*\) \([^ ]*\) \([^ ]*\) .*/\1 \2 \3/p' /proc/self/mounts | grep -v -e ' /run/user/' -e ' /proc/fs/nfsd ' -e 'binfmt_misc' -e ' rpc_pipefs$' |
    sort | text mounts
seen=
! has exportfs || see exports exportfs -s
{
    ls -A /etc/exports.d 2>/dev/null
    seen
} | text exports
if [ -d /run/systemd/system ]; then
    # Daemons of libvirt start when they are asked and end when they are idle.
    see active systemctl list-units --plain --no-legend --state=active --type=service,socket
    seen | cut -d ' ' -f 1 |
        grep -v -e '^session-' -e '^user' -e '^virt' -e '^libvirt' -e '^systemd-\(hostnamed\|timedated\|localed\)' -e '^packagekit' -e '@' |
        sort | text active
    see enabled systemctl list-unit-files --plain --no-legend --state=enabled
    seen | cut -d ' ' -f 1 | sort | text enabled
fi
if has dpkg-query; then
    see packages dpkg-query -W
    seen | text packages
elif has rpm; then
    see packages rpm -qa
    seen | sort | text packages
fi
getent passwd | cut -d : -f 6 | sort -u | while read -r home; do
    for file in "$home/.ssh/authorized_keys"; do
        [ -f "$file" ] && printf '%s %s %s\n' "$file" "$(stat -c '%a %U %s' "$file")" "$(sha256sum <"$file" | cut -c -16)"
    done
    [ ! -d "$home/.ssh" ] || echo "$home/.ssh"
done | text keys
if has virsh; then
    see domains virsh -q -c qemu:///system list --all --name
    all=$seen
    see domains virsh -q -c qemu:///system list --name
    { printf '%s\n' "$all"; seen | sed '/^$/d; s/$/ runs/'; } | sed '/^$/d' | sort | text domains
    see networks virsh -q -c qemu:///system net-list --all --name
    seen | sed '/^$/d' | sort | text networks
fi
for link in /sys/class/net/*; do
    [ -e "$link" ] && echo "${link##*/} $(cat "$link/mtu" 2>/dev/null)"
done | grep -v '^vnet' | text links
{
    stat -c '%n %a %U:%G' /var/lib/multivm* /var/lib/multivm/* /run/multivm* /usr/local/lib/multivm* /root/multivm* /etc/exports.d/multivm* 2>/dev/null
    ls /var/log/libvirt/qemu 2>/dev/null | grep -x -E '(vm|load)[0-9]+(-console)?[.]log'
} | grep -v '^/run/multivm-undo[.]' | text files
printf '%s' "$missed" | text unobserved
echo 'end yes'
