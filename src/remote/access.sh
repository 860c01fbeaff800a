# Says whether the user who runs it gets to libvirt as libvirt's own connection by ssh does: by one of these programs, and
# without root's rights.

limit=20
for program in virt-ssh-helper nc; do
    has "$program" && say has "$program"
done
if has virsh; then
    answer=$(run sh -c 'virsh -q -c qemu:///system uri 2>&1') && say libvirt "$answer" || say refused "$(echo "$answer" | head -n 1)"
fi
