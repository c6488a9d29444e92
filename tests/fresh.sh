#!/bin/sh
# Proves the two set-up commands on a bare Debian 12: debootstrap makes a minimal system in a folder, the committed tree is cloned into
# it, and ./run (twice) and ./check run there. Needs root and debootstrap.
#   tests/fresh.sh [FOLDER] [run|check|all]
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-${TMPDIR:-/tmp}/morph86-fresh}
what=${2:-all}
[ "$(id -u)" = 0 ] || { echo "fresh: debootstrap and chroot need root; run: sudo tests/fresh.sh" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "fresh: debootstrap is missing; run: apt-get install debootstrap" >&2; exit 1; }

release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)
if [ ! -e "$folder/.made" ]; then
    echo "fresh: making a bare $release in $folder"
    debootstrap --variant=minbase "$release" "$folder" "$mirror" >"$folder.log" 2>&1 || { tail -n 3 "$folder.log" >&2; exit 1; }
    touch "$folder/.made"
fi
cp /etc/resolv.conf "$folder/etc/resolv.conf" 2>/dev/null || true
[ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$folder/etc/apt/apt.conf"
cp -r /etc/apt/apt.conf.d/. "$folder/etc/apt/apt.conf.d/" 2>/dev/null || true

for mount in proc sys dev dev/pts; do
    mkdir -p "$folder/$mount"
    mountpoint -q "$folder/$mount" || mount --bind "/$mount" "$folder/$mount"
done
trap 'for mount in proc sys dev/pts dev; do umount "$folder/$mount" 2>/dev/null || true; done' EXIT INT TERM

rm -rf "$folder/morph86"
git clone -q "$top" "$folder/morph86"

# timed LIMIT-SECONDS NAME COMMAND
timed() {
    limit=$1
    name=$2
    shift 2
    start=$(date +%s)
    chroot "$folder" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C sh -c "cd /morph86 && $*" </dev/null
    seconds=$(($(date +%s) - start))
    echo "fresh: $name took $seconds s (limit $limit s)"
    [ "$seconds" -le "$limit" ] || { echo "fresh: $name is too slow" >&2; exit 1; }
}
case $what in run | all)
    timed 300 "./run on the bare system" ./run
    timed 40 "./run again" ./run
    ;;
esac
case $what in check | all) timed 1800 "./check" ./check ;; esac
echo "fresh: all done"
