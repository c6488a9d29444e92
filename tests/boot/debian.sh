#!/bin/sh
# A whole Debian i386 system on an IDE disk, unmodified: boots to a login, writes 200 files of random sizes and a tar of them, restarts,
# compares their SHA-256, shuts down by the ACPI power button, and fsck finds nothing. Needs root (debootstrap) and some minutes.
#   tests/boot/debian.sh MORPH86 HMP       HMP: the monitor client, build/tests/boot/hmp
set -eu
morph86=$(realpath "$1")
hmp=$(realpath "$2")
cd "$(dirname "$0")/../.."
guests=$PWD/build/guests
root=$guests/debian-root
work=$(mktemp -d)
guest=
trap 'kill $guest 2>/dev/null; rm -rf "$work"' EXIT
[ "$(id -u)" = 0 ] || { echo "debian: debootstrap needs root; run: sudo tests/boot/debian.sh" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "debian: run: apt-get install debootstrap e2fsprogs" >&2; exit 77; }

if [ ! -e "$root/.made" ]; then
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)
    rm -rf "$root"
    debootstrap --arch=i386 --variant=minbase --include=systemd-sysv,linux-image-686,e2fsprogs,udev,kmod,dbus \
        "$release" "$root" "$mirror" >"$guests/debian.log" 2>&1 || { tail -n 3 "$guests/debian.log" >&2; exit 1; }
    chroot "$root" passwd -d root >/dev/null
    echo "/dev/sda / ext4 errors=remount-ro 0 1" >"$root/etc/fstab"
    echo guest >"$root/etc/hostname"
    touch "$root/.made"
fi
cat >"$root/root/session.sh" <<'SESSION'
#!/bin/sh
cd /root
if [ ! -d files ]; then
    mkdir files
    i=0
    while [ $i -lt 200 ]; do
        head -c $(((i * 7919) % 60000 + 1)) /dev/urandom >files/f$i
        i=$((i + 1))
    done
    sha256sum files/f* >sums
    tar cf files.tar files
    sha256sum files.tar >>sums
    sync
    echo "session: written"
    systemctl reboot
else
    sha256sum -c --quiet sums && mkdir copy && tar xf files.tar -C copy && diff -r files copy/files && echo "session: all right"
fi
SESSION
chmod 755 "$root/root/session.sh"
truncate -s 1400M "$work/disk"
mkfs.ext4 -q -d "$root" "$work/disk"

mkfifo "$work/keys"
timeout 900 "$morph86" -m 512 -display none -nic none -serial stdio -monitor "unix:$work/monitor,server=on,wait=off" \
    -kernel "$root"/boot/vmlinuz-* -initrd "$root"/boot/initrd.img-* \
    -append "console=ttyS0 root=/dev/sda quiet mitigations=off panic=-1" -hda "$work/disk" <"$work/keys" >"$work/serial" 2>&1 &
guest=$!
exec 3>"$work/keys"

# await COUNT TEXT SECONDS: until TEXT has been seen COUNT times
await() {
    i=0
    while [ "$(grep -acF "$2" "$work/serial")" -lt "$1" ]; do
        kill -0 $guest 2>/dev/null && [ $i -lt "$3" ] || { echo "debian: no '$2'" >&2; tail -n 20 "$work/serial" >&2; exit 1; }
        sleep 1
        i=$((i + 1))
    done
}
session() {
    await "$1" "guest login:" 400
    echo root >&3
    await "$1" "root@guest:" 100
    echo /root/session.sh >&3
}
session 1
await 1 "session: written" 200
session 2
await 1 "session: all right" 200
"$hmp" "$work/monitor" system_powerdown >/dev/null
wait $guest || { echo "debian: morph86 ended with status $?" >&2; exit 1; }
guest=
e2fsck -fn "$work/disk" >"$work/fsck" 2>&1 || { cat "$work/fsck" >&2; exit 1; }
echo "debian: login, 200 files, restart, checksums, power button, fsck: all right"
