#!/bin/sh
# Every shell script passes shellcheck, and every Python file compiles.
# `shell.sh --self-test` plants a faulty one of each and must see it refused.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

# Scripts are known by their first line, whatever their names.
scripts() { # scripts PATTERN
    find . \( -name .git -o -name build -o -name node_modules -o -path ./tests/fuzz/corpus \) -prune \
        -o -type f -exec awk -v pattern="$1" \
            'FNR == 1 { if ($0 ~ pattern) print FILENAME; nextfile }' {} +
}

check() { # check ROOT
    cd "$1" &&
    scripts '^#!/(usr/)?bin/(ba|da)?sh' | xargs -r shellcheck --severity=warning &&
    scripts '^#!/usr/bin/python3' | xargs -r /usr/bin/python3 -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path) as file:
        ast.parse(file.read(), path)'
}

if [ "${1:-}" = --self-test ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    printf '#!/bin/sh\nset -eu\necho "$1"\n' >"$root/x"
    (check "$root") || { echo "refused a good script"; exit 1; }
    printf '#!/bin/sh\ncd $1\n[ $a == b ]\n' >"$root/x"
    (check "$root") >/dev/null && { echo "not refused: a faulty shell script"; exit 1; }
    printf '#!/usr/bin/python3\ndef f(:\n' >"$root/x"
    (check "$root") 2>/dev/null && { echo "not refused: a faulty Python file"; exit 1; }
    echo "2 planted, all refused"
    exit 0
fi
check "$top"
