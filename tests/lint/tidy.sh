#!/bin/sh
# clang-tidy finds nothing in the sources; folders that did not change since they
# were last found clean are not read again (build/tidy). The analyser that walks
# through paths is left to `make tidy`.
# `tidy.sh --self-test` plants an offence and must see it refused.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1:-}" = --self-test ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    cp "$top/.clang-tidy" "$root/"
    mkdir -p "$root/node"
    tidy() { (cd "$root" && clang-tidy --quiet node/x.c -- -std=c17 2>&1); }
    printf 'int f(int a);\nint f(int a)\n{\n    return a + 1;\n}\n' >"$root/node/x.c"
    tidy || { echo "refused a clean file"; exit 1; }
    printf 'int f(int a);\nint f(int a)\n{\n    int b;\n    if (a) b = 1;\n    return b;\n}\n' >"$root/node/x.c"
    tidy >/dev/null && { echo "not refused: an uninitialised value"; exit 1; }
    echo "1 planted, refused"
    exit 0
fi
cd "$top"
"${MAKE:-make}" --no-print-directory -s -k -j1 TIDY=quick tidy
