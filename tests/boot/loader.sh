#!/bin/sh
# What people do with the keyboard before a system runs: SeaBIOS's boot menu, GRUB's menu on an IDE disk with Debian's kernels behind
# it, memtest86+ and its own menus.
#   tests/boot/loader.sh MORPH86 HMP CASE [OPTION...]
# CASE: menu menu-timeout grub-686 grub-686-pae memtest memtest-pass
set -eu
morph86=$(realpath "$1")
client=$(realpath "$2")
case=$3
shift 3
. "$(dirname "$0")/machine.sh"
PATH=$PATH:/usr/sbin:/sbin # mke2fs

# ---- SeaBIOS ----

# bootable FILE LABEL SIZE: a disk whose boot sector prints "LABEL boots at tick NNNN": the BIOS's ticks (1/18.2 s) since midnight.
bootable() {
    cat >sector.s <<'SECTOR'
    .code16
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x7c00, %sp
    mov %ds:0x46c, %dx
    sti
    mov $0x7d00, %si    # the label
1:  lodsb
    test %al, %al
    jz 2f
    call print
    jmp 1b
2:  mov $4, %cx         # the ticks, in hexadecimal
3:  rol $4, %dx
    mov %dl, %al
    and $15, %al
    cmp $10, %al
    sbb $0x69, %al
    das
    call print
    loop 3b
4:  hlt
    jmp 4b
print:
    mov $0x0e, %ah
    mov $7, %bx
    int $0x10
    ret
    .org 0x100
label:
    .org 510
    .word 0xaa55
SECTOR
    as --32 -o sector.o sector.s
    objcopy -O binary -j .text sector.o "$1"
    printf '%s boots at tick ' "$2" | dd of="$1" bs=1 seek=256 conv=notrunc status=none
    truncate -s "$3" "$1"
}
three_disks() {
    bootable hd1 "first disk" 1M
    bootable hd2 "second disk" 2M
    bootable floppy "floppy disk" 1440K
}
# ticks: as the boot sector printed them
ticks() { printf '%d' "0x$(screen | sed -n 's/.* boots at tick \([0-9A-F]\{4\}\).*/\1/p')"; }

menu() {
    three_disks
    start -hda hd1 -hdb hd2 -fda floppy -boot menu=on,splash-time=30000 "$@"
    prints "Press ESC for boot menu." 30
    hmp "sendkey esc" >/dev/null
    prints "4. DVD/CD" 10
    cat >expected <<'MENU'
Select boot device:

1. ata0-0: MORPH86 HARDDISK ATA-6 Hard-Disk (1 MiBytes)
2. ata0-1: MORPH86 HARDDISK ATA-6 Hard-Disk (2 MiBytes)
3. Floppy [drive A]
4. DVD/CD [ata1-0: MORPH86 CD-ROM ATAPI-6 DVD/CD]

MENU
    screen | sed -n '/^Select/,/^4/p' | sed 's/ *$//' >seen
    echo >>seen
    diff expected seen >&2 || fail "the menu shows something else"
    # What is not in the menu is no choice.
    hmp "sendkey 9" >/dev/null
    sleep 2
    screen | grep -q "boots at tick" && fail "9 boots something"
    hmp "sendkey 2" >/dev/null
    prints "second disk boots" 20

    hmp system_reset >/dev/null
    prints "Press ESC for boot menu." 30
    hmp "sendkey esc" >/dev/null
    prints "4. DVD/CD" 10
    hmp "sendkey 3" >/dev/null
    prints "floppy disk boots" 20

    # ESC again takes the first one; but not at once, for people press it more often than they need to.
    hmp system_reset >/dev/null
    prints "Press ESC for boot menu." 30
    hmp "sendkey esc" >/dev/null
    prints "4. DVD/CD" 10
    sleep 3
    hmp "sendkey esc" >/dev/null
    prints "first disk boots" 20
    stop
}

# The prompt waits as long as it is told, unless a key cuts it short; the menu itself waits for ever. Power comes on at midnight.
menu_timeout() {
    three_disks
    set -- -rtc base=2020-01-01 "$@"
    start -hda hd1 -hdb hd2 -fda floppy -boot menu=on,splash-time=4000 "$@"
    prints "first disk boots" 40
    screen | grep -q "Press ESC for boot menu." || fail "there was no prompt"
    [ "$(ticks)" -ge 72 ] || fail "the prompt waited for less than 4 seconds: $(ticks) ticks"
    hmp system_reset >/dev/null
    prints "Press ESC for boot menu." 30
    hmp "sendkey esc" >/dev/null
    prints "4. DVD/CD" 10
    sleep 6
    screen | grep -q "boots at tick" && fail "the menu did not wait"
    stop

    start -hda hd1 -hdb hd2 -fda floppy -boot menu=on,splash-time=60000 "$@"
    prints "Press ESC for boot menu." 30
    hmp "sendkey a" >/dev/null
    prints "first disk boots" 30
    [ "$(ticks)" -lt 1092 ] || fail "another key did not cut the prompt short: $(ticks) ticks"
    stop

    start -hda hd1 -hdb hd2 -fda floppy -boot order=ac,menu=off,splash-time=60000 "$@"
    prints "floppy disk boots" 30
    screen | grep -q "Press ESC" && fail "there is a prompt without menu=on"
    stop
}

# ---- GRUB on an IDE disk ----

# A disk with a partition table, GRUB's core image behind the boot sector, and in the partition an ext4 file system with the modules,
# the menu and the kernels. The core image holds only what it needs to find the rest.
grub_disk() {
    need mke2fs
    fetch grub-pc-bin grub-common linux
    grub=$pkg/grub-pc-bin/usr/lib/grub/i386-pc
    mkdir -p root/boot/grub/i386-pc
    cp "$grub"/*.mod "$grub"/*.lst root/boot/grub/i386-pc
    cp "$guests/vmlinuz-686" "$guests/vmlinuz-686-pae" "$guests/initrd.gz" root/boot
    cat >root/boot/grub/grub.cfg <<'GRUB'
set timeout=60
set default=0
menuentry "No system" {
    echo "the wrong entry"
    halt
}
menuentry "Debian 686" {
    linux /boot/vmlinuz-686 console=ttyS0 quiet panic=-1 nokaslr morph86.session
    initrd /boot/initrd.gz
}
menuentry "Debian 686-pae" {
    linux /boot/vmlinuz-686-pae console=ttyS0 quiet panic=-1 nokaslr morph86.session
    initrd /boot/initrd.gz
}
GRUB
    "$pkg/grub-common/usr/bin/grub-mkimage" -O i386-pc -d "$grub" -p "(hd0,msdos1)/boot/grub" -o core.img biosdisk part_msdos ext2
    [ "$(stat -c %s core.img)" -lt $((2047 * 512)) ] || fail "GRUB's core image does not fit before the partition"
    mke2fs -q -t ext4 -d root -E offset=1048576 disk 63M >mke2fs.log 2>&1 || fail "$(cat mke2fs.log)"
    truncate -s 64M disk
    dd if="$grub/boot.img" of=disk bs=440 count=1 conv=notrunc status=none
    # Partition 1: active, Linux (83h), from sector 2048, 129024 sectors; no cylinders, LBA only.
    printf '\200\376\377\377\203\376\377\377\000\010\000\000\000\370\001\000' | dd of=disk bs=1 seek=446 conv=notrunc status=none
    printf '\125\252' | dd of=disk bs=1 seek=510 conv=notrunc status=none
    dd if=core.img of=disk bs=512 seek=1 conv=notrunc status=none
}

# grub FLAVOUR DOWNS: down that many times from the first entry, then Enter
grub() {
    flavour=$1
    downs=$2
    shift 2
    grub_disk
    native_session expected
    start -m 256 -no-reboot -hda disk "$@"
    prints "GNU GRUB" 60
    prints "*No system" 20
    prints "The highlighted entry will be executed automatically in" 10
    for _ in $(seq "$downs"); do
        hmp "sendkey down" >/dev/null
        sleep 1
    done
    prints "*Debian $flavour " 10
    screen | grep -q "executed automatically" && fail "the menu still counts down after a key"
    hmp "sendkey ret" >/dev/null
    prints "session: begin" 150
    leaves 100
    case $flavour in *-pae) kernel="[0-9.-]*-686-pae" ;; *) kernel="[0-9.-]*-686" ;; esac
    tr -d '\r' <serial | grep -q "^morph86: Linux $kernel on i686" || fail "that is not the kernel $flavour"
    same_session expected
}

# ---- memtest86+ ----

# passes COUNT SECONDS: that many passes over the chosen tests end, without an error at any time
passes() {
    for _ in $(seq $(($2 * 2 * patience))); do
        screen >now
        if grep -qE 'Errors: *[1-9]' now; then
            cat now >&2
            fail "memtest86+ finds errors"
        fi
        sed -n 's/.*Pass: *\([0-9][0-9]*\)  *Errors: 0.*/\1/p' now >passes
        [ "$(cat passes)" ] && [ "$(cat passes)" -ge "$1" ] && return
        kill -0 $machine 2>/dev/null || fail "the machine has left: $(cat err)"
        sleep 0.5
    done
    cat now >&2
    fail "no $1 passes within $2 seconds"
}
# answers KEY WORD: the key makes it show the word
answers() {
    hmp "sendkey $1" >/dev/null
    prints "$2" 20
}

# Tests 0 to 2 alone; test 1 is left out otherwise. The first pass is a short one, the second one is not.
memtest() {
    fetch memtest86+
    start -m 128 -cdrom "$pkg/memtest86+/usr/lib/memtest86+/memtest86+ia32.iso" -boot d "$@"
    prints "<F1> to configure" 100
    answers f1 "Test selection"
    answers f1 "Add test range"
    answers f1 " ..........." # all are cleared
    answers f4 "Enter first test"
    hmp "sendkey 0" >/dev/null
    answers ret "Enter last test"
    hmp "sendkey 2" >/dev/null
    answers ret " ***........"
    answers f10 "CPU sequencing mode"
    hmp "sendkey f10" >/dev/null
    passes 2 120
    stop
}

# Every test that memtest86+ chooses by itself. The last one waits for 160 seconds to see memory forget.
memtest_pass() {
    fetch memtest86+
    start -m 8 -kernel "$pkg/memtest86+/boot/memtest86+ia32.bin" "$@"
    prints "Memtest86+ v6" 60
    passes 1 1000
    stop
}

case $case in
menu) menu "$@" ;;
menu-timeout) menu_timeout "$@" ;;
grub-686) grub 686 1 "$@" ;;
grub-686-pae) grub 686-pae 2 "$@" ;;
memtest) memtest "$@" ;;
memtest-pass) memtest_pass "$@" ;;
*) fail "is not a case of this test" ;;
esac
echo "$case: ok"
