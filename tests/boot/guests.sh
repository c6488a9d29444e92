#!/bin/sh
# Fetches real guests from Debian packages and builds the images that ./run and the tests boot. Nothing is installed: packages are
# downloaded with an apt configuration of our own and unpacked under build/guests/. Needs no root.
#
#   tests/boot/guests.sh linux       kernel 686 and 686-pae, BusyBox initrd
#   tests/boot/guests.sh modules     archives of driver modules (network, disks, file systems), one per kernel
#   tests/boot/guests.sh PACKAGE...  unpacks these packages (name or name:i386) under build/guests/pkg/
set -eu
cd "$(dirname "$0")/../.."
guests=$PWD/build/guests
apt=$guests/apt

say() { printf 'guests: %s\n' "$*" >&2; }

apt_setup() {
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$guests/pkg" "$guests/deb"
    : >"$apt/status"
    # Only the distribution's own sources, whatever else the user has: those that serve its release.
    mkdir -p "$apt/sources"
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        grep -E "^deb .* $release(-[a-z]+)? " | sed 's/\[ *arch=[^] ]* *\]//' >"$apt/sources/own.list" || true
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -e "$file" ] || continue
        awk -v release="$release" 'BEGIN { RS = ""; ORS = "\n\n" } $0 ~ "Suites:[^\n]*" release' "$file" |
            grep -v '^Architectures:' || true
    done >"$apt/sources/own.sources"
    cat >"$apt/apt.conf" <<CONF
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
APT::Architectures { "amd64"; "i386"; };
APT::Sandbox::User "$(id -un)";
Acquire::Retries "3";
CONF
}

apt_get() { APT_CONFIG=$apt/apt.conf apt-get -qq "$@"; }
apt_cache() { APT_CONFIG=$apt/apt.conf apt-cache "$@"; }

update() {
    [ -z "$tried_update" ] && [ ! -e "$apt/updated" ] || return 0
    tried_update=1
    say "reading the package lists"
    for try in 1 2 3; do
        if apt_get update >"$apt/update.log" 2>&1; then
            touch "$apt/updated"
            return
        fi
        sleep $((try * 3))
    done
    # A list that fails for a moment must not stop us if the packages can be had: fetch() judges by them.
    # (no marker: the next run tries again)
    say "some package lists could not be read (build/guests/apt/update.log); going on with what is there"
}

# Unpacks one package; its folder is build/guests/pkg/NAME.
fetch() {
    name=${1%:*}
    [ -e "$guests/pkg/$name/.unpacked" ] && return
    update
    say "fetching $1"
    if ! (cd "$guests/deb" && apt_get download "$1" >"$apt/download.log" 2>&1); then
        say "package $1 cannot be had: $(tail -n 1 "$apt/download.log")"
        say "check the network and /etc/apt/sources.list, then run this again"
        exit 1
    fi
    rm -rf "$guests/pkg/$name"
    mkdir -p "$guests/pkg/$name"
    dpkg -x "$(ls -t "$guests/deb/${name}"_*.deb | head -n 1)" "$guests/pkg/$name"
    touch "$guests/pkg/$name/.unpacked"
}

# The metapackage names the versioned kernel package.
fetch_kernel() {
    flavour=$1
    [ -e "$guests/vmlinuz-$flavour" ] && return
    update
    package=$(apt_cache depends "linux-image-$flavour:i386" | sed -n 's/^ *Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
    if [ -z "$package" ]; then
        say "package linux-image-$flavour:i386 cannot be had; check the network and /etc/apt/sources.list"
        exit 1
    fi
    case $package in *:i386) ;; *) package=$package:i386 ;; esac
    fetch "$package"
    cp "$guests/pkg/${package%:*}"/boot/vmlinuz-* "$guests/vmlinuz-$flavour.new"
    mv "$guests/vmlinuz-$flavour.new" "$guests/vmlinuz-$flavour"
}

busybox_initrd() {
    [ "$guests/initrd.gz" -nt tests/boot/init ] && [ "$guests/initrd.gz" -nt tests/boot/session ] && return
    fetch busybox-static:i386
    root=$guests/initrd.root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/root" "$root/etc"
    cp "$guests/pkg/busybox-static/bin/busybox" "$root/bin/busybox"
    cp tests/boot/init "$root/init"
    cp tests/boot/session "$root/session"
    chmod 755 "$root/init"
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$guests/initrd.gz.new"
    mv "$guests/initrd.gz.new" "$guests/initrd.gz"
}

tried_update=
# Copies a module and, before it, what it depends on; $order lists them in the order in which they must be loaded.
add_module() {
    found=$(find "$tree" -name "$1.ko" | head -n 1)
    [ -n "$found" ] || found=$(find "$tree" -name "$(echo "$1" | tr _ -).ko" | head -n 1)
    [ -n "$found" ] || return 0 # built in
    case " $order " in *" $1 "*) return 0 ;; esac
    for needed in $(tr '\0' '\n' <"$found" | sed -n 's/^depends=//p' | tr , ' '); do
        add_module "$needed"
    done
    found=$(find "$tree" -name "$1.ko" | head -n 1)
    [ -n "$found" ] || found=$(find "$tree" -name "$(echo "$1" | tr _ -).ko" | head -n 1)
    cp "$found" "$root/modules/$1.ko"
    order="$order $1"
}

modules_archive() {
    flavour=$1
    [ "$guests/modules-$flavour.gz" -nt tests/boot/guests.sh ] && return
    tree=$(ls -d "$guests/pkg/"linux-image-*-"$flavour"/lib/modules/*)
    root=$guests/modules.root
    order=
    rm -rf "$root"
    mkdir -p "$root/modules"
    for module in e1000 ata_piix sd_mod sr_mod floppy ext4 isofs vfat nls_cp437 nls_ascii lp parport_pc; do add_module $module; done
    echo $order >"$root/modules/order"
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -9n) >"$guests/modules-$flavour.gz.new"
    mv "$guests/modules-$flavour.gz.new" "$guests/modules-$flavour.gz"
}

mkdir -p "$guests"
# Tests that run side by side fetch one after the other.
exec 9>"$guests/lock"
flock 9
apt_setup
for want in "$@"; do
    case $want in
    linux)
        fetch_kernel 686
        fetch_kernel 686-pae
        busybox_initrd
        ;;
    modules)
        fetch_kernel 686
        fetch_kernel 686-pae
        modules_archive 686
        modules_archive 686-pae
        ;;
    *) fetch "$want" ;;
    esac
done
