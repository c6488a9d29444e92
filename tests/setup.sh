# Sourced by ./run and ./check: installs what is missing and builds. Works in the top folder.

build_packages="gcc libc6-dev make cmake pkg-config libcapstone-dev libpng-dev libsdl2-dev libncurses-dev libcmocka-dev libslirp-dev libffi-dev seabios cpio gzip git ca-certificates"

fail() {
    echo "$0: $*" >&2
    exit 1
}

# install_missing PACKAGE...: nothing to do, apt as root, sudo, or one line that says what to run.
install_missing() {
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    echo "$0: installing$missing" >&2
    line="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" = 0 ]; then
        sudo=
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo=sudo
    else
        fail "packages are missing; as root, run: apt-get update && $line"
    fi
    # A list that fails for a moment must not stop us if the packages can be had: the install decides.
    for try in 1 2 3; do
        $sudo apt-get -qq update >/dev/null 2>&1 || true
        if $sudo env DEBIAN_FRONTEND=noninteractive $line >"${TMPDIR:-/tmp}/morph86-install.log" 2>&1; then
            return 0
        fi
        sleep $((try * 3))
    done
    tail -n 5 "${TMPDIR:-/tmp}/morph86-install.log" >&2
    fail "the packages could not be installed; check the network, then run: $line"
}

# build_in FOLDER TARGET... [-- CMAKE-OPTION...]
build_in() {
    folder=$1
    target=$2
    shift 2
    mkdir -p "$folder"
    if ! { cmake -S . "$@" -B "$folder" && cmake --build "$folder" --target "$target" -j "$(nproc)"; } >"$folder/build.log" 2>&1; then
        grep -E -A 5 'error|Error' "$folder/build.log" | head -n 20 >&2 || true
        fail "the build failed; the whole log is in $folder/build.log"
    fi
}
