#!/bin/sh
# Boots from removable media that SeaBIOS reads: boot loaders to their prompts, read from the screen or the serial line; and a
# Debian kernel's own drivers on floppy disk, CD and printer port.
#   tests/boot/media.sh MORPH86 HMP CASE [OPTION...]
# CASE: syslinux-720 syslinux-1200 syslinux-1440 syslinux-2880 isolinux memtest ipxe grub order linux-686 linux-686-pae
set -eu
morph86=$(realpath "$1")
client=$(realpath "$2")
case=$3
shift 3
. "$(dirname "$0")/machine.sh"

# A floppy disk with a FAT file system and SYSLINUX on it.
syslinux_floppy() {
    need mformat
    fetch syslinux
    truncate -s "$1" floppy
    mformat -i floppy "$2" "$3" ::
    printf 'serial 0 115200\nprompt 1\ntimeout 0\nlabel none\n kernel none\n' >syslinux.cfg
    mcopy -i floppy syslinux.cfg ::
    "$pkg/syslinux/usr/bin/syslinux" --install floppy
}

isolinux_cd() {
    need xorriso
    fetch isolinux syslinux-common
    mkdir -p cd/isolinux
    cp "$pkg/isolinux/usr/lib/ISOLINUX/isolinux.bin" "$pkg/syslinux-common/usr/lib/syslinux/modules/bios/ldlinux.c32" cd/isolinux
    printf 'serial 0 115200\nprompt 1\ntimeout 0\nlabel none\n kernel none\n' >cd/isolinux/isolinux.cfg
    xorriso -as mkisofs -quiet -o cd.iso -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
        -boot-info-table cd 2>xorriso.log || fail "$(cat xorriso.log)"
}

grub_cd() {
    need xorriso
    need mformat
    fetch grub-pc-bin grub-common libefivar1 libefiboot1
    mkdir -p cd/boot/grub
    cat >cd/boot/grub/grub.cfg <<'GRUB'
serial --unit=0 --speed=115200
terminal_output serial console
echo "GRUB reads (cd)/boot/grub/grub.cfg"
halt
GRUB
    libs=$(ls -d "$pkg"/libefi*/usr/lib/*-linux-gnu | tr '\n' :)
    LD_LIBRARY_PATH=$libs "$pkg/grub-common/usr/bin/grub-mkrescue" -d "$pkg/grub-pc-bin/usr/lib/grub/i386-pc" \
        --locales= --fonts= --themes= -o cd.iso cd >mkrescue.log 2>&1 || fail "$(tail -n 3 mkrescue.log)"
}

# The kernel's drivers: the floppy disk is read whole, mounted and written, the CD read whole and ejected, the port prints.
linux() {
    flavour=$1
    shift
    need mformat
    need xorriso
    fetch linux modules
    truncate -s 1474560 floppy
    mformat -i floppy -f 1440 ::
    head -c 1000000 /dev/urandom >data
    mcopy -i floppy data ::data
    mkdir cd
    head -c 5000000 /dev/urandom >cd/large
    xorriso -as mkisofs -quiet -o cd.iso cd 2>xorriso.log || fail "$(cat xorriso.log)"
    mkdir root
    cat >root/script <<'SCRIPT'
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
i=0
while [ ! -b /dev/sr0 ] && [ $i -lt 100 ]; do sleep 0.2; i=$((i + 1)); done
mkdir /mnt
echo "media: floppy $(dd if=/dev/fd0 bs=18k 2>/dev/null | sha256sum)"
mount -t vfat /dev/fd0 /mnt
echo "media: file $(sha256sum </mnt/data)"
sed 's/^/written: /' /proc/version >/mnt/note
umount /mnt
echo "media: cd $(dd if=/dev/sr0 bs=64k 2>/dev/null | sha256sum)"
mount -t iso9660 /dev/sr0 /mnt
echo "media: large $(sha256sum </mnt/large)"
# The tray opens with the last user and stays open; then the next user closes it.
echo 1 >/proc/sys/dev/cdrom/autoeject
echo 0 >/proc/sys/dev/cdrom/autoclose
umount /mnt
dd if=/dev/sr0 of=/dev/null bs=2k count=1 2>&1 | grep -o 'No medium found' | sed 's/^/media: /'
echo 0 >/proc/sys/dev/cdrom/autoeject
echo 1 >/proc/sys/dev/cdrom/autoclose
dd if=/dev/sr0 of=/dev/null bs=2k count=1 2>/dev/null # refused: the drive has said that the disc may be another one
echo "media: again $(dd if=/dev/sr0 bs=64k 2>/dev/null | sha256sum)"
echo "printed by the guest" >/dev/lp0
sleep 1
SCRIPT
    (cd root && find . | cpio --quiet -o -H newc | gzip -9n) >script.gz
    cat "$guests/initrd.gz" "$guests/modules-$flavour.gz" script.gz >initrd
    sum() { sha256sum <"$1"; }
    cat >expected <<EXPECTED
media: floppy $(sum floppy)
media: file $(sum data)
media: cd $(sum cd.iso)
media: large $(sum cd/large)
media: No medium found
media: again $(sum cd.iso)
EXPECTED
    timeout $((280 * patience)) "$morph86" -m 256 -nographic -no-reboot -nic none -fda floppy -cdrom cd.iso -parallel file:paper "$@" \
        -kernel "$guests/vmlinuz-$flavour" -initrd initrd \
        -append "console=ttyS0 quiet panic=-1 nokaslr morph86.script" </dev/null >serial 2>&1 || {
        tail -n 20 serial >&2
        fail "morph86 ended with status $?"
    }
    tr -d '\r' <serial | grep '^media: ' >seen || true
    diff expected seen >&2 || { tail -n 20 serial >&2; fail "the guest saw something else"; }
    mtype -i floppy ::note | grep -q '^written: Linux version' || fail "what the guest wrote is not on the floppy disk"
    grep -q 'printed by the guest' paper || fail "nothing was printed"
}

case $case in
syslinux-720)
    syslinux_floppy 737280 -f 720
    start -fda floppy -boot a "$@"
    prints "boot:" 60
    ;;
syslinux-1200)
    syslinux_floppy 1228800 -f 1200
    start -fda floppy -boot a "$@"
    prints "boot:" 60
    ;;
syslinux-1440)
    syslinux_floppy 1474560 -f 1440
    start -fda floppy -boot a "$@"
    prints "boot:" 60
    ;;
syslinux-2880)
    syslinux_floppy 2949120 -f 2880
    start -fda floppy -boot a "$@"
    prints "boot:" 60
    ;;
isolinux)
    isolinux_cd
    start -cdrom cd.iso -boot d "$@"
    prints "boot:" 60
    ;;
memtest)
    fetch memtest86+
    start -cdrom "$pkg/memtest86+/usr/lib/memtest86+/memtest86+ia32.iso" -boot d "$@"
    prints "Memtest86+ v6" 120
    ;;
ipxe)
    fetch ipxe
    start -cdrom "$pkg/ipxe/usr/lib/ipxe/ipxe.iso" -boot d "$@"
    prints "-- Open Source Network Boot Firmware" 120
    ;;
grub)
    grub_cd
    start -cdrom cd.iso -boot d "$@"
    prints "GRUB reads (cd)/boot/grub/grub.cfg" 120
    ;;
order)
    # The CD once, then the floppy disk; the disk that does not boot is passed over.
    isolinux_cd
    syslinux_floppy 1474560 -f 1440
    truncate -s 1M disk
    start -fda floppy -cdrom cd.iso -hda disk -boot order=cad,once=d "$@"
    prints "ISOLINUX" 60
    hmp system_reset >/dev/null
    prints "SYSLINUX" 60
    stop
    start -drive file=floppy,if=floppy,readonly=on -drive file=cd.iso,media=cdrom -boot menu=on,splash-time=20000 "$@"
    prints "Press ESC for boot menu" 60
    hmp "sendkey esc" >/dev/null
    prints "Select boot device" 30
    prints "DVD/CD" 5
    ;;
linux-686 | linux-686-pae) linux "${case#linux-}" "$@" ;;
*) fail "is not a case of this test" ;;
esac
echo "$case: ok"
