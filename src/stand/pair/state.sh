# Says what can be observed of a host that multivm might change: a text between <<NAME and >>NAME for each kind. What changes by itself is not in it.

limit=30
text() {
    printf '<<%s\n' "$1"
    cat
    printf '\n>>%s\n' "$1"
}

# Counters are no rules.
if has nft; then
    run nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/g' | text rules
elif has iptables-save; then
    run iptables-save | sed '/^#/d; s/\[[0-9]*:[0-9]*\]//g' | text rules
fi
if has getsebool; then
    { run getenforce; run getsebool -a; } | text booleans
fi
# Those whose values come from the kernel's own work are left out, and those of a module that it loads for a mount and keeps.
run sysctl -a | grep -v -e '^fs\.\(dentry\|inode\|file-nr\|quota\|aio-nr\)' -e '^kernel\.\(random\|ns_last_pid\|pty\.nr\)' -e 'conntrack' \
    -e '^net\.ipv[46]\.\(neigh\|conf\)\.vnet' -e '^kernel\.sched_domain' -e '^sunrpc\.' -e '^fs\.nfs\.' -e 'tcp_fastopen_key' -e 'stable_secret' -e '^kernel\.\(perf_event_max_sample_rate\|tainted\|hung_task_detect_count\)' -e 'expiring' | sort | text sysctls
sed -n 's/^\([^ ]*\) \([^ ]*\) \([^ ]*\) .*/\1 \2 \3/p' /proc/self/mounts | grep -v -e ' /run/user/' -e ' /proc/fs/nfsd ' -e 'binfmt_misc' -e ' rpc_pipefs$' |
    sort | text mounts
{
    ls -A /etc/exports.d 2>/dev/null
    has exportfs && run exportfs -s
} | text exports
if [ -d /run/systemd/system ]; then
    # Daemons of libvirt start when they are asked and end when they are idle.
    run systemctl list-units --plain --no-legend --state=active --type=service,socket | cut -d ' ' -f 1 |
        grep -v -e '^session-' -e '^user' -e '^virt' -e '^libvirt' -e '^systemd-\(hostnamed\|timedated\|localed\)' -e '^packagekit' -e '@' |
        sort | text active
    run systemctl list-unit-files --plain --no-legend --state=enabled | cut -d ' ' -f 1 | sort | text enabled
fi
if has dpkg-query; then
    run dpkg-query -W | text packages
elif has rpm; then
    run rpm -qa | sort | text packages
fi
getent passwd | cut -d : -f 6 | sort -u | while read -r home; do
    for file in "$home/.ssh/authorized_keys"; do
        [ -f "$file" ] && printf '%s %s %s\n' "$file" "$(stat -c '%a %U %s' "$file")" "$(sha256sum <"$file" | cut -c -16)"
    done
    [ ! -d "$home/.ssh" ] || echo "$home/.ssh"
done | text keys
if has virsh; then
    run virsh -q -c qemu:///system list --all --name | sed '/^$/d' | sort | text domains
    run virsh -q -c qemu:///system net-list --all --name | sed '/^$/d' | sort | text networks
fi
for link in /sys/class/net/*; do
    [ -e "$link" ] && echo "${link##*/} $(cat "$link/mtu" 2>/dev/null)"
done | grep -v '^vnet' | text links
{
    ls -A -d /var/lib/multivm* /var/lib/multivm/* /run/multivm* /usr/local/lib/multivm* /root/multivm* /etc/exports.d/multivm* 2>/dev/null
    ls /var/log/libvirt/qemu 2>/dev/null | grep -x -E '(vm|load)[0-9]+(-console)?[.]log'
} | grep -v '^/run/multivm-undo[.]' | text files
echo 'end yes'
