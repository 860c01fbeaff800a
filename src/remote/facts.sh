# Says what a host is and has, for multivm's doctor, on standard output: a line for each fact, and texts between <<NAME and >>NAME.
# It runs as root if it can, needs nothing but a POSIX shell, and leaves nothing behind. Whatever is not there is not said.
# $1: the folder of the shared storage, or nothing. $2: the guests' bridge, or nothing. $3: the subnet of an overlay, or nothing.
# $4: the names of programs that the host may have, beside those that every pair needs, and behind it the addresses of the overlay's other
# members.

limit=20
folder=$1
bridge=$2
subnet=$3
programs=$4
[ $# -lt 4 ] || shift 4

file() { [ ! -r "$2" ] || say "$1" "$(head -n 1 "$2" 2>/dev/null)"; }
text() {
    name=$1
    shift
    printf '<<%s\n%s\n>>%s\n' "$name" "$*" "$name"
}

say uid "$(id -u)"
say os "$(. /etc/os-release 2>/dev/null; echo "$PRETTY_NAME")"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say hostname "$(uname -n)"
file machine_id /etc/machine-id
say cpus "$(grep -c '^processor' /proc/cpuinfo)"
sed -n 's/^MemTotal: *\([0-9]*\).*/memory_kib \1/p; s/^MemAvailable: *\([0-9]*\).*/available_kib \1/p' /proc/meminfo

[ ! -d /run/systemd/system ] || say systemd yes
[ ! -S /run/libvirt/libvirt-sock ] || say socket libvirtd
[ ! -S /run/libvirt/virtqemud-sock ] || say socket virtqemud
if [ -d /run/systemd/system ]; then
    for unit in libvirtd.socket libvirtd.service virtqemud.socket virtqemud.service; do
        [ "$(run systemctl is-active "$unit")" != active ] || say active "$unit"
    done
fi
[ ! -d /run/systemd/system ] || say ntp "$(run timedatectl show -p NTPSynchronized --value)"

if has virsh; then
    say virsh yes
    ask() { run virsh -c qemu:///system "$@"; }
    # A daemon that hangs would cost a time limit for every question.
    capabilities=$(ask capabilities)
    if [ -n "$capabilities" ]; then
        text capabilities "$capabilities"
        text version "$(ask version)"
        domain_capabilities=$(ask domcapabilities)
        text domain_capabilities "$domain_capabilities"
        text domains "$(ask list --all --name)"
        text running "$(ask list --name)"
    fi
fi
# UEFI for guests, as QEMU's docs/interop/firmware.json describes it, and the sizes of the files that are there.
firmware=$(cat /etc/qemu/firmware/*.json /usr/share/qemu/firmware/*.json 2>/dev/null)
text firmware "$firmware"
for path in $(printf '%s\n' "$firmware" | sed -n 's/.*"filename": *"\([^"]*\)".*/\1/p' | sort -u); do
    [ ! -f "$path" ] || say firmware_file "$(stat -L -c %s "$path") $path"
done
say namespaces "$(sed -n 's/^[[:space:]]*namespaces[[:space:]]*=[[:space:]]*\(\[.*\]\).*/\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)"
for name in migration_port_min migration_port_max migrate_tls_force; do
    say "$name" "$(sed -n "s/^[[:space:]]*$name[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p" /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)"
done
# libvirt gives images to this user and runs QEMU as it: qemu.conf's, or the distribution's.
qemu_user=$(sed -n 's/^[[:space:]]*user[[:space:]]*=[[:space:]]*"+*\([^"]*\)".*/\1/p' /etc/libvirt/qemu.conf 2>/dev/null | tail -n 1)
for name in libvirt-qemu qemu; do
    [ -n "$qemu_user" ] || ! id -u "$name" >/dev/null 2>&1 || qemu_user=$name
done
say qemu_user "$qemu_user"
say virtualization "$(run systemd-detect-virt)"
for program in timeout bash mount.nfs exportfs nft ip bridge qemu-system-x86_64 qemu-kvm libvirtd virtqemud apt-get dnf zypper $programs; do
    has "$program" && say has "$program"
done
file nfsd_threads /proc/fs/nfsd/threads
# Packages of such a system come with its next image.
[ ! -e /run/ostree-booted ] && ! has transactional-update || say image_mode yes
file unprivileged_userfaultfd /proc/sys/vm/unprivileged_userfaultfd
[ ! -e /dev/userfaultfd ] || say userfaultfd_device yes
has getenforce && say selinux "$(run getenforce)"
has getsebool && say virt_use_nfs "$(run getsebool virt_use_nfs | sed 's/.*--> //')"
has firewall-cmd && say firewalld "$(run firewall-cmd --state)"
has ufw && say ufw "$(run ufw status | head -n 1)"
file bridge_nf_call_iptables /proc/sys/net/bridge/bridge-nf-call-iptables
[ -z "$bridge" ] || [ ! -d "/sys/class/net/$bridge/bridge" ] || say bridge "$bridge"
[ -z "$bridge" ] || file bridge_mac "/sys/class/net/$bridge/address"
[ -z "$bridge" ] || say bridge_address "$(run ip -4 -o addr show dev "$bridge" | sed -n 's/.* inet \([0-9./]*\) .*/\1/p' | head -n 1)"
[ -z "$bridge" ] || file bridge_flags "/sys/class/net/$bridge/flags"
[ -z "$bridge" ] || file bridge_stp_state "/sys/class/net/$bridge/bridge/stp_state"
[ -z "$bridge" ] || file bridge_forward_delay "/sys/class/net/$bridge/bridge/forward_delay"
has sshd && say max_startups "$(run sshd -T | sed -n 's/^maxstartups //p')"

# Whoever asks a mount whose server is gone waits for it: one question for each, all at once.
hung() { run stat -f "$1" >/dev/null || [ $? -lt 124 ] || say hung_mount "$1"; }
for mounted in $(sed -n 's/^[^ ]* \([^ ]*\) \(nfs4*\|cifs\|ceph\|fuse\.[^ ]*\) .*/\1/p' /proc/mounts); do
    hung "$mounted" &
done
wait

if [ -n "$subnet" ]; then
    # A network that holds the subnet, or lies in it; the way to anywhere does not count.
    say subnet_in_use "$({ run ip -4 -o route show to root "$subnet"; run ip -4 -o route show to match "$subnet"; } | grep -v '^default' | head -n 1)"
    [ -d /sys/module/vxlan ] || ! has modprobe || run modprobe -n vxlan || say lacks vxlan
    say client "$caller"
    for member in "$@"; do
        address=$(run getent ahostsv4 "$member" | head -n 1 | cut -d ' ' -f 1)
        link=$(run ip -4 -o route get "$address" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
        [ -z "$link" ] || say way "$member $address $(cat "/sys/class/net/$link/mtu")"
    done
fi

# In KiB, of the file system that has the folder.
free() { run df -Pk "$1" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4; }
say state_free_kib "$(free /var/lib)"
if [ -n "$folder" ]; then
    run test -d "$folder" && say folder yes
    say folder_type "$(run stat -f -c %T "$folder")"
    say folder_mount "$(run findmnt -n -T "$folder" -o SOURCE,FSTYPE,OPTIONS | head -n 1)"
    say folder_free_kib "$(free "$folder")"
fi

[ ! -e /dev/kvm ] || say kvm_device yes
say kvm_flag "$(grep -m 1 -o -w -e svm -e vmx /proc/cpuinfo)"
emulator=$(printf '%s' "$domain_capabilities" | sed -n 's,.*<path>\(.*\)</path>.*,\1,p' | head -n 1)
if [ -e /dev/kvm ] && [ -x "$emulator" ] && [ "$(uname -m)" = x86_64 ] && image=$(mktemp); then
    # A shell that a signal ends runs nothing at its exit.
    trap 'rm -f "$image"' EXIT
    trap 'exit 1' HUP INT TERM PIPE
    # A sector that writes 42 to QEMU's exit device, which makes QEMU's status (42 << 1) | 1.
    {
        printf '\260\052\346\364\364'
        head -c 505 /dev/zero
        printf '\125\252'
    } >"$image"
    # Not every QEMU has both machines: it ends with 1 at the name of one that it has not.
    for machine in pc q35; do
        run "$emulator" -machine "$machine,accel=kvm" -nodefaults -display none -no-reboot \
            -device isa-debug-exit,iobase=0xf4,iosize=4 -drive "file=$image,format=raw,if=ide"
        kvm_status=$?
        [ $kvm_status = 1 ] || break
    done
    say kvm_status $kvm_status
fi
say end yes
