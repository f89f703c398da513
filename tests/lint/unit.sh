#!/bin/sh
# The systemd unit says nothing that systemd does not understand, and its
# exposure as `systemd-analyze security` counts it stays under 1.5 of 10.
# `unit.sh --self-test` plants an unknown key and a weakened unit.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

check() { # check UNIT-SOURCE
    mkdir -p "$root/bin" "$root/sbin"
    cp /bin/true "$root/bin/twinsync"
    cp /bin/true "$root/sbin/twinsyncd"
    sed "s,@PREFIX@,$root," "$1" >"$root/twinsyncd.service"
    # It exits with 0 on unknown keys: anything that it says is an offence.
    said=$(systemd-analyze verify --man=no "$root/twinsyncd.service" 2>&1) || true
    [ -z "$said" ] || { echo "$1: $said"; return 1; }
    systemd-analyze security --offline=true --threshold=15 --no-pager \
        "$root/twinsyncd.service" >"$root/out" 2>&1 ||
        { tail -n 1 "$root/out"; return 1; }
}

unit=$top/tools/packaging/twinsyncd.service
if [ "${1:-}" = --self-test ]; then
    { cat "$unit"; echo 'WantedBi=x'; } >"$root/unknown"
    check "$root/unknown" >/dev/null && { echo "not refused: an unknown key"; exit 1; }
    sed 's/^CapabilityBoundingSet=.*/PrivateDevices=no/' "$unit" >"$root/weak"
    check "$root/weak" >/dev/null && { echo "not refused: a weakened unit"; exit 1; }
    echo "2 planted, all refused"
    exit 0
fi
check "$unit"
