#!/bin/sh
# The network card under a Debian kernel's own driver: DHCP, a ping to the gateway, 16 MiB over HTTP from a server on this host's
# loopback, a connection into the guest through hostfwd, and 40 fetches side by side.
#   tests/boot/net.sh MORPH86 686|686-pae [OPTION...]
set -eu
morph86=$(realpath "$1")
flavour=$2
shift 2
top=$(cd "$(dirname "$0")/../.." && pwd)
guests=$top/build/guests
busybox=$guests/initrd.root/bin/busybox
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT

# A free port each: the server tries until one is free.
mkdir "$work/www"
head -c 16777216 /dev/urandom >"$work/www/big"
head -c 50000 /dev/urandom >"$work/www/small"
port=18080
while :; do
    "$busybox" httpd -f -p 127.0.0.1:$port -h "$work/www" 2>/dev/null &
    server=$!
    sleep 1
    kill -0 $server 2>/dev/null && break
    port=$((port + 7))
done
forward=$((port + 1))

"$guests/../../tests/boot/guests.sh" modules
# The guest's script comes as one more cpio archive behind the initrd.
mkdir -p "$work/root"
cat >"$work/root/script" <<SCRIPT
for module in \$(cat /modules/order); do insmod /modules/\$module.ko; done
ip link set eth0 up
udhcpc -i eth0 -q -n -s /dhcp >/dev/null && echo "net: dhcp ok"
ip addr show eth0 | sed -n 's/.*inet \([0-9.]*\).*/net: address \1/p'
ping -c 2 -W 5 10.0.2.2 >/dev/null && echo "net: ping ok"
wget -q -O - http://10.0.2.2:$port/big | sha256sum | sed 's/^/net: big /'
i=0
while [ \$i -lt 40 ]; do
    wget -q -O - http://10.0.2.2:$port/small | sha256sum >/tmp/small\$i &
    i=\$((i + 1))
done
wait
cat /tmp/small* | sort | uniq -c | sed 's/^ */net: small /'
(echo "served from the guest"; sleep 1) | nc -l -p 8080 &
sleep 1
echo "net: listening"
wait
echo "net: done"
SCRIPT
cat >"$work/root/dhcp" <<'SCRIPT'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/${mask:-24}" dev "$interface"
ip route add default via "$router"
echo "nameserver $dns" >/etc/resolv.conf
SCRIPT
chmod +x "$work/root/dhcp"
(cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -9n) >"$work/script.gz"
cat "$guests/initrd.gz" "$guests/modules-$flavour.gz" "$work/script.gz" >"$work/initrd"

timeout $((280 * ${MORPH86_PATIENCE:-1})) "$morph86" -m 256 -nographic -no-reboot \
    -nic "user,model=e1000,hostfwd=tcp:127.0.0.1:$forward-:8080" "$@" \
    -kernel "$guests/vmlinuz-$flavour" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 nokaslr morph86.script" </dev/null >"$work/serial" 2>&1 &
guest=$!
i=0
while ! grep -q 'net: listening' "$work/serial" && kill -0 $guest 2>/dev/null && [ $i -lt 270 ]; do
    sleep 1
    i=$((i + 1))
done
served=$("$busybox" nc -w 20 127.0.0.1 $forward </dev/null || true)
wait $guest || { echo "morph86 ended with status $?" >&2; tail -n 20 "$work/serial" >&2; exit 1; }

failures=0
expect() {
    if ! tr -d '\r' <"$work/serial" | grep -qxF "$1"; then
        echo "missing: $1" >&2
        failures=$((failures + 1))
    fi
}
expect "net: dhcp ok"
expect "net: address 10.0.2.15"
expect "net: ping ok"
expect "net: big $(sha256sum <"$work/www/big")"
expect "net: small 40 $(sha256sum <"$work/www/small")"
expect "net: done"
[ "$served" = "served from the guest" ] || { echo "hostfwd brought '$served'" >&2; failures=$((failures + 1)); }
[ $failures -eq 0 ] || { tail -n 30 "$work/serial" >&2; exit 1; }
echo "$flavour: DHCP, ping, 16 MiB, 40 fetches and hostfwd are right"
