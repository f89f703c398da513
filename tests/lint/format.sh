#!/bin/sh
# Every C file is as clang-format with the repository's .clang-format leaves it.
# `format.sh --self-test` plants a badly formatted file and must see it refused.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

check() { # check ROOT
    cd "$1" &&
    find node proto replication tools tests \( -name node_modules -o -name build \) -prune \
        -o -name '*.[ch]' -print0 2>/dev/null |
        xargs -0 -r clang-format --dry-run --Werror --ferror-limit=3
}

if [ "${1:-}" = --self-test ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    cp "$top/.clang-format" "$root/"
    mkdir -p "$root/node/base"
    printf 'int f(void)\n{\n    return 1;\n}\n' >"$root/node/base/x.c"
    (check "$root") || { echo "refused a well-formatted file"; exit 1; }
    printf 'int f( void ) { return 1; }\n' >"$root/node/base/x.c"
    (check "$root") 2>/dev/null && { echo "not refused: a badly formatted file"; exit 1; }
    echo "1 planted, refused"
    exit 0
fi
check "$top"
