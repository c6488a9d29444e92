#!/bin/sh
# Every mistake on the command line gets one line that names it and says how to mend it, and exit status 1.
#   tests/boot/cli.sh MORPH86
set -u
morph86=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# refused WORD OPTION...: exit status 1, nothing on stdout, one line on stderr that contains WORD
refused() {
    word=$1
    shift
    timeout 20 "$morph86" "$@" >out 2>err </dev/null
    status=$?
    if [ $status -ne 1 ] || [ -s out ] || [ "$(wc -l <err)" -ne 1 ] || ! grep -qF -- "$word" err; then
        echo "morph86 $*: status $status, expected one line with '$word':" >&2
        cat out err >&2
        failures=$((failures + 1))
    fi
}
# accepted WORD OPTION...: exit status 0 and WORD on stdout
accepted() {
    word=$1
    shift
    if ! timeout 20 "$morph86" "$@" >out 2>err </dev/null || ! grep -qF -- "$word" out || [ -s err ]; then
        echo "morph86 $*: expected '$word' and status 0" >&2
        cat err >&2
        failures=$((failures + 1))
    fi
}

printf 'not a kernel, but long enough to be looked at' >text
head -c 2048 /dev/zero >zeros
head -c 1000 /dev/zero >oddrom
head -c 65536 /dev/zero >rom64
printf '' >empty

accepted "Usage:" --help
accepted "Usage:" -h
accepted "morph86 " --version
accepted "pentium3" -cpu help
accepted "i440FX" -M help
accepted "interp" -accel help
accepted "int" -d help
accepted "vmport" -M help
refused "'-unknown'" -unknown
refused "'-frobnicate'" -frobnicate 3
refused "needs a value" -m
refused "'lots'" -m lots
refused "'-5'" -m -5
refused "'64T'" -m 64T
refused "out of range" -m 9G
refused "out of range" -m 0
refused "'q35'" -M q35
refused "'vmport=maybe'" -M pc,vmport=maybe
refused "'pcx'" -M pcx
refused "'p'" -M p,vmport=on
refused "''" -M pc,
refused "vmport=off" -machine pc,vmport=on,vmport=off -device vmmouse
refused "'i99'" -cpu i99
refused "'nonsense'" -cpu pentium3,+nonsense
refused "'sse2'" -cpu pentium3,sse2
refused "'2'" -smp 2
refused "'kvm'" -accel kvm
refused "'vmx'" -softmmu vmx
refused "'missing.bin'" -bios missing.bin
refused "'oddrom'" -bios oddrom
refused "'missing.rom'" -option-rom missing.rom
refused "'.'" -option-rom .
refused "'empty'" -option-rom empty
refused "'speed=9'" -option-rom oddrom,speed=9
refused "'bootindex='" -option-rom oddrom,bootindex=
refused "'bootindex=1x'" -option-rom oddrom,bootindex=1x
refused "'bootindex=-1'" -option-rom oddrom,bootindex=-1
refused "bootindex 1 is taken" -option-rom oddrom,bootindex=1 -option-rom zeros,bootindex=1
refused "'missing'" -kernel missing
refused "'text'" -kernel text
refused "'zeros'" -kernel zeros
refused "'empty'" -kernel empty
refused "-initrd needs -kernel" -initrd zeros
refused "-append needs -kernel" -append quiet
refused "'missing.img'" -hda missing.img
refused "'empty'" -hda empty
refused "'.'" -hda .
head -c 4000000 /dev/zero >large
refused "'missing.img'" -fda missing.img
refused "large" -fda large
refused "'missing.iso'" -cdrom missing.iso
refused "secondary master" -cdrom zeros -hdc zeros
refused "primary master" -hda zeros -drive file=zeros,index=0
refused "if='scsi'" -drive file=zeros,if=scsi
refused "media='tape'" -drive file=zeros,media=tape
refused "format='qcow9'" -drive file=zeros,format=qcow9
refused "'index=9'" -drive file=zeros,index=9
refused "'colour=red'" -drive file=zeros,colour=red
refused "file=IMAGE" -drive if=ide
refused "takes no CD" -drive file=zeros,if=floppy,media=cdrom
refused "no such place" -drive file=zeros,if=floppy,index=3
refused "'q'" -boot q
refused "'order=abcd'" -boot order=abcd
refused "'base=noon'" -rtc base=noon
refused "'base=2006-06-31'" -rtc clock=vm,base=2006-06-31
refused "'clock=cpu'" -rtc clock=cpu
refused "'driftfix=slew'" -rtc driftfix=slew
refused "'menu=maybe'" -boot menu=maybe
refused "'nowhere/file'" -parallel file:nowhere/file
refused "'nowhere/file'" -serial file:nowhere/file
refused "'pigeon'" -serial pigeon
refused "stdio" -serial stdio -serial stdio
refused "more than 4" -serial null -serial null -serial null -serial null -serial null
refused "'nowhere/log'" -D nowhere/log
refused "'bogus'" -d bogus
refused "'sdl9'" -display sdl9
refused "'scale=huge'" -display sdl,scale=huge
refused "more than 4" -display none -display none -display none -display none -display none
refused "'vnc'" -monitor vnc
refused "stdio" -monitor stdio -serial stdio
refused "stdio" -display curses -serial stdio
refused "'nowhere/mon'" -monitor unix:nowhere/mon,server=on,wait=off
refused "'wait=long'" -monitor unix:mon,server=on,wait=long
refused "'user9'" -nic user9
refused "'model=ne9'" -nic user,model=ne9
refused "'hostfwd=tcp:1-2'" -nic user,hostfwd=tcp:1-2
refused "netdev 'n0' does not exist" -device e1000,netdev=n0
refused "'cirrus9'" -vga cirrus9
refused "'toaster'" -device toaster
refused "'vmmouse2'" -device vmmouse2
refused "'colour=red'" -device isa-debug-exit,colour=red
refused "iobase" -device isa-debug-exit,iobase=0x12345

# A disk that is in use is refused, and left alone.
head -c 1048576 /dev/zero >disk
"$morph86" -hda disk -display none -nic none >/dev/null 2>&1 &
first=$!
sleep 1
refused "'disk'" -hda disk
kill $first
wait $first 2>/dev/null

[ $failures -eq 0 ] || { echo "$failures mistakes were not answered well" >&2; exit 1; }
echo "every mistake got its line"
