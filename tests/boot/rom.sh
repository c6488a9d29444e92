# shellcheck shell=sh
# Option ROMs made byte by byte, for tests. Sourced.

# put FILE OFFSET HEX...: writes these bytes there
put() {
    file=$1
    offset=$2
    shift 2
    for byte in "$@"; do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o "0x$byte")"
    done | dd of="$file" bs=1 seek=$((offset)) conv=notrunc 2>/dev/null
}
# put_text FILE OFFSET TEXT: a line and a zero byte
put_text() { printf '%s\n\000' "$3" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc 2>/dev/null; }

# begin_rom FILE INIT: 512 bytes that print INIT to port E9 when they are run; what is booted begins at 80
begin_rom() {
    head -c 512 /dev/zero >"$1"
    put "$1" 0x00 55 aa 01 e9 3a 00                      # one block; jmp 40
    put "$1" 0x1a 20 00                                  # where the PnP header is
    put "$1" 0x20 24 50 6e 50 01 02                      # $PnP, revision 1, 32 bytes
    put "$1" 0x3a 80 00                                  # its bootstrap entry vector
    put "$1" 0x40 be c0 01 2e ac 84 c0 74 04 e6 e9 eb f6 # mov si, 1c0; print up to a zero byte
    put "$1" 0x4d b8 20 00 cb                            # mov ax, 20: it can boot; retf
    put_text "$1" 0x1c0 "$2"
}
# end_rom FILE: makes the sum of all bytes zero
end_rom() {
    sum=$(od -An -v -tu1 "$1" | tr -s ' ' '\n' | awk '{ s += $1 } END { print (256 - s % 256) % 256 }')
    put "$1" 0x1ff "$(printf %02x "$sum")"
}
