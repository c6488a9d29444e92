#!/bin/sh
# Displays as people see them: -display sdl on a virtual X server, -display curses in a virtual terminal, both at once.
#   tests/boot/display.sh MORPH86 HMP sdl WINDOW
#   tests/boot/display.sh MORPH86 HMP curses
# Exit status 77: what it needs is not installed.
set -u
. "$(dirname "$0")/rom.sh"
morph86=$(realpath "$1")
client=$(realpath "$2")
kind=$3
work=$(mktemp -d)
machine=
server=
cleanup() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ "$kind" != curses ] || tmux -S "$work/tmux" kill-server 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "display: $*" >&2
    exit 1
}
skip() {
    echo "display: skipped, $*"
    exit 77
}
hmp() { "$client" "$work/mon" "$@" || fail "the monitor did not answer '$*': $(cat "$work/err")"; }
eventually() {
    for _ in $(seq 150); do
        hmp "$2" | grep -qF -- "$1" && return
        sleep 0.2
    done
    fail "'$2' never said '$1': $(hmp "$2")"
}
wait_for_monitor() {
    for _ in $(seq 100); do
        [ -S "$work/mon" ] && return
        sleep 0.1
    done
    fail "the machine did not start: $(cat "$work/err")"
}
[ -e "$(dirname "$morph86")/morph86-display-$kind.so" ] || skip "morph86 is built without -display $kind"

# Lights two of the keyboard's lamps; then a driver of VMware's mouse: asks for places, and puts the words of each packet to 600.
make_pointer_rom() {
    rom=$work/pointer.rom
    begin_rom "$rom" "pointer"
    put "$rom" 0x80 fa b0 ed e6 60 e4 64 a8 02 75 fa b0 06 e6 60 \
        ba 58 56 66 b8 68 58 4d 56 66 b9 29 00 00 00 66 bb 52 45 41 45 66 ed \
        66 b8 68 58 4d 56 66 b9 27 00 00 00 66 bb 01 00 00 00 66 ed \
        66 b8 68 58 4d 56 66 b9 29 00 00 00 66 bb 52 41 42 53 66 ed \
        ba 58 56 66 b8 68 58 4d 56 66 b9 28 00 00 00 66 ed \
        83 f8 04 72 ea \
        66 b8 68 58 4d 56 66 b9 27 00 00 00 66 bb 04 00 00 00 66 ed \
        31 f6 8e de 66 a3 00 06 66 89 1e 04 06 66 89 0e 08 06 66 89 16 0c 06 \
        eb bd
    # cli; mov al, ed; out 60, al; wait: in al, 64; test al, 2; jnz wait; mov al, 6; out 60, al
    # mov dx, 5658; enable: eax magic, ecx 29, ebx READ; in eax, dx
    # its name: ecx 27, ebx 1
    # places: ecx 29, ebx ABSR
    # loop: how many words: ecx 28
    # cmp ax, 4; jb loop
    # four words: ecx 27, ebx 4
    # xor si, si; mov ds, si; mov [600], eax ... edx
    # jmp loop
    end_rom "$rom"
}

test_sdl() {
    command -v Xvfb >/dev/null || skip "Xvfb is not installed (package xvfb)"
    for number in $(seq 90 120); do
        [ ! -e "/tmp/.X$number-lock" ] || continue
        Xvfb ":$number" -screen 0 3000x2000x24 -nolisten tcp >"$work/xvfb" 2>&1 &
        server=$!
        for _ in $(seq 50); do
            [ -e "/tmp/.X11-unix/X$number" ] && break 2
            kill -0 $server 2>/dev/null || break
            sleep 0.1
        done
    done
    export DISPLAY=":$number"
    unset WAYLAND_DISPLAY SDL_VIDEODRIVER

    "$morph86" -m 16 -nic none -name tested -monitor "unix:$work/mon,server=on,wait=off" 2>"$work/err" &
    machine=$!
    wait_for_monitor
    "$window" title "tested: running" || fail "no window: $(cat "$work/err")"
    eventually "No bootable device" "info screen"

    # What the window shows is what screendump sees, also twice as large.
    hmp stop
    "$window" title "tested: stopped" || fail "the title does not say that it is stopped"
    hmp "screendump $work/shot.ppm"
    "$window" picture "$work/shot.ppm" 1 || fail "the window shows something else"
    "$window" key Control_L Alt_L plus
    "$window" picture "$work/shot.ppm" 2 || fail "the window does not show it twice as large"
    "$window" key Control_L Alt_L u
    "$window" picture "$work/shot.ppm" 1 || fail "the window does not go back to its own size"
    hmp cont

    # Keys reach the BIOS; those of the window's own combinations leave none pressed.
    "$window" key a
    "$window" key Shift_L b
    eventually "0x1e61 0x3042" "xp/2xh 0x41e"
    "$window" key Control_L Alt_L g
    "$window" title "gives the mouse back" || fail "Ctrl-Alt-G does not take the mouse"
    "$window" key Control_L Alt_L g
    "$window" title "takes the mouse" || fail "Ctrl-Alt-G does not give the mouse back"

    # Closing the window ends the machine.
    "$window" close
    wait $machine
    status=$?
    machine=
    [ $status -eq 0 ] || fail "exit status $status after the window was closed"
    [ ! -s "$work/err" ] || fail "it said: $(cat "$work/err")"

    # A guest that asks VMware's mouse for places has the pointer's without a grab.
    make_pointer_rom
    rm -f "$work/mon"
    "$morph86" -m 16 -nic none -option-rom "$work/pointer.rom,bootindex=0" \
        -monitor "unix:$work/mon,server=on,wait=off" 2>"$work/err" &
    machine=$!
    wait_for_monitor
    eventually "* Mouse #1: vmmouse (absolute)" "info mice"
    "$window" title ", Caps Num - " || fail "the title does not say which lamps of the keyboard are lit"
    "$window" title "morph86: running" || fail "no window: $(cat "$work/err")"
    sleep 1
    "$window" point 180 100 # of 720 x 400, in the middle of a pixel
    eventually "0x00000000 0x0000402d 0x00004051 0x00000000" "xp/4xw 0x600"
    "$window" point 719 399
    eventually "0x00000000 0x0000ffd2 0x0000ffae 0x00000000" "xp/4xw 0x600"
    hmp "mouse_button 2"
    eventually "0x00000008 0x0000ffd2" "xp/4xw 0x600"
    hmp quit
    wait $machine
    machine=
    echo "the window shows and hears"
}

screen() { tmux -S "$work/tmux" capture-pane -p; }
seen() {
    for _ in $(seq 150); do
        screen | grep -qF -- "$1" && return
        sleep 0.2
    done
    fail "the terminal never showed '$1': $(screen)"
}

test_curses() {
    command -v tmux >/dev/null || skip "tmux is not installed"
    LC_ALL=C.UTF-8 tmux -S "$work/tmux" -f /dev/null new-session -d -x 90 -y 30 \
        "'$morph86' -m 16 -nic none -display curses -display none -monitor 'unix:$work/mon,server=on,wait=off' 2>'$work/err'; echo \"left with \$?\"; sleep 30"
    wait_for_monitor
    seen "No bootable device"
    tmux -S "$work/tmux" send-keys a B C-d F1
    eventually "0x1e61 0x3042 0x2004 0x3b00" "xp/4xh 0x41e"

    # A smaller terminal follows the cursor; the larger one shows everything again.
    tmux -S "$work/tmux" resize-window -x 40 -y 5
    sleep 1
    screen | grep -q "No bootable device" || fail "the small terminal does not follow the cursor: $(screen)"
    tmux -S "$work/tmux" resize-window -x 90 -y 30
    seen "SeaBIOS (version"

    # Ctrl-A x leaves, and the terminal is itself again.
    tmux -S "$work/tmux" send-keys C-a x
    seen "left with 0"
    echo "the terminal shows and hears"
}

case $kind in
sdl)
    window=$(realpath "$4")
    test_sdl
    ;;
curses) test_curses ;;
*) fail "use: display.sh MORPH86 HMP sdl WINDOW | curses" ;;
esac
