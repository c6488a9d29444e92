#!/bin/sh
# Runs one bare-metal image and judges its end line.
#   run.sh morph86|qemu|bochs IMAGE [LOG]      MORPH86: the emulator under test, default build/morph86;
#   MORPH86_CPU, QEMU_CPU, BOCHS_CPU: CPU models; MORPH86_ACCEL, MORPH86_SOFTMMU: how morph86 runs guest code; GUEST_TIMEOUT: seconds; GUEST_KEEP: where to copy all output
# Exit status 0: the image printed `N passed, 0 failed, K differ`. The cases' lines go to LOG, failures to stdout.
set -eu
emulator=$1 image=$2 log=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out
seconds=${GUEST_TIMEOUT:-240}
: >"$out"

# QEMU's command line; no -no-reboot, since cases that shut the CPU down go on after the reset.
qemu_like() {
    timeout -k 5 "$seconds" "$@" -m 64 -debugcon "file:$out" -serial none -display none -monitor none -nic none \
        -device isa-debug-exit,iobase=0xf4,iosize=0x4 >"$work/emulator" 2>&1 </dev/null || status=$?
}

# Each run has its own disk: several may run at once, and no case can spoil the image.
cp "$image" "$work/disk.img"
status=0
case $emulator in
morph86) qemu_like "${MORPH86:-$here/../../build/morph86}" ${MORPH86_CPU:+-cpu "$MORPH86_CPU"} ${MORPH86_ACCEL:+-accel "$MORPH86_ACCEL"} \
    ${MORPH86_SOFTMMU:+-softmmu "$MORPH86_SOFTMMU"} -hda "$work/disk.img" ;;
qemu)
    qemu_like qemu-system-i386 -accel tcg -cpu "${QEMU_CPU:-qemu32,+nx}" \
        -drive "file=$work/disk.img,format=raw,if=ide,index=0,media=disk"
    ;;
bochs)
    # The display goes to a VNC server that nobody calls. The Core Duo: 32-bit, SSE2 and NX, as qemu32 has.
    cat >"$work/bochsrc" <<END
megs: 64
romimage: file=/usr/share/seabios/bios.bin
vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
display_library: rfb, options="timeout=0"
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0, mode=none
ata0: enabled=1
ata0-master: type=disk, path=$work/disk.img, mode=flat
boot: disk
port_e9_hack: enabled=1
log: $work/bochs.log
panic: action=report
error: action=report
info: action=ignore
cpu: model=${BOCHS_CPU:-core_duo_t2400_yonah}, ips=4000000, reset_on_triple_fault=1
clock: sync=none
END
    # Debian's Bochs stops in its debugger at the start and at each reset.
    yes c | head -n 1000 >"$work/debugger"
    timeout "$seconds" bochs -q -f "$work/bochsrc" >"$out" 2>"$work/emulator" <"$work/debugger" || status=$?
    ;;
*)
    echo "run.sh: '$emulator' is not one of morph86, qemu, bochs" >&2
    exit 2
    ;;
esac

# Reset markers of firmware that shares port E9 and the emulator's own chatter are not the guest's lines.
grep -aE '^(ok|not ok|differs) |^(FAILED )?[0-9]+ passed, ' "$out" >"$work/lines" || true
[ -z "$log" ] || cp "$work/lines" "$log"
[ -z "${GUEST_KEEP:-}" ] || cp -r "$work" "$GUEST_KEEP"
grep -a '^not ok ' "$work/lines" || true
if end=$(grep -aE '^[0-9]+ passed, 0 failed, ' "$work/lines"); then
    echo "$end"
    exit 0
fi
echo "$emulator: status $status, $(tail -n 1 "$work/lines")"
tail -n 20 "$work/emulator"
exit 1
