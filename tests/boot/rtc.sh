#!/bin/sh
# -rtc as a guest sees it: the clock chip's registers, read through the monitor's port commands.
#   tests/boot/rtc.sh MORPH86 HMP       also for QEMU: tests/boot/rtc.sh qemu-system-i386 HMP
set -eu
morph86=$(realpath "$(command -v "$1")")
client=$(realpath "$2")
case=rtc
. "$(dirname "$0")/machine.sh"

# begin OPTION...: a machine that has not run yet
begin() {
    start -S "$@"
    for _ in $(seq 100); do
        hmp "info status" >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "no monitor: $(cat err)"
}
# reads INDEX...: these registers, in one line
reads() {
    for index in "$@"; do
        set -- "o/b 0x70 $index" "i/b 0x71"
        hmp "$@"
    done | sed -n 's/.*= *0x\([0-9a-f][0-9a-f]\).*/\1/p' | tr '\n' ' '
}
# clock: century, year, month, day, hours, minutes, seconds, day of the week; all of one second
clock() {
    while :; do
        now=$(reads 0x32 9 8 7 4 2 0 6)
        [ "$now" != "$(reads 0x32 9 8 7 4 2 0 6)" ] || break
    done
    echo "$now"
}
seconds() { date -u -d "$(clock | awk '{ print $1 $2 "-" $3 "-" $4 " " $5 ":" $6 ":" $7 }')" +%s; }
# is WANTED TEXT
is() { [ "$2" = "$1" ] || fail "the clock shows '$2', expected '$1'"; }
# about WANTED TEXT: seconds, which a busy host may be late to ask for
about() { [ "$2" -ge "$1" ] && [ "$2" -le $(($1 + 10)) ] || fail "the clock shows $2 seconds, expected $1"; }

# A date is what the guest sees, whatever the host's zone is. Guest time stands while the machine is stopped.
export TZ=XYZ-5:30
begin -rtc base=2006-06-17T16:01:21,clock=vm
is "20 06 06 17 16 01 21 07 " "$(clock)"
sleep 2
is "20 06 06 17 16 01 21 07 " "$(clock)"
hmp cont >/dev/null
sleep 3
hmp stop >/dev/null
about "$(date -u -d '2006-06-17 16:01:24' +%s)" "$(seconds)"
before=$(clock)
sleep 2
is "$before" "$(clock)"
stop

begin -rtc base=1999-12-31,clock=vm
is "19 99 12 31 00 00 00 06 " "$(clock)"
stop

# The host's clocks go on.
for clock in host rt; do
    begin -rtc base=2006-06-17T16:01:21,clock=$clock
    sleep 3
    about "$(date -u -d '2006-06-17 16:01:24' +%s)" "$(seconds)"
    stop
done

# The host's time of day, and the default. (A second of the guest's begins with the machine, not with the host's.)
begin -rtc base=utc
about $(($(date +%s) - 1)) "$(seconds)"
stop
begin
about $(($(date +%s) - 1)) "$(seconds)"
stop
begin -rtc base=localtime
about $(($(date +%s) - 1 + 5 * 3600 + 1800)) "$(seconds)"
stop
echo "rtc: ok"
