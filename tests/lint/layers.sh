#!/bin/sh
# Who may include whom. One row a folder: what its files may include, besides
# their own folder and the system. A folder without a row is an error, and so
# is an include that climbs ("../"): every quoted path starts at the root.
# `layers.sh --self-test` plants one forbidden include per folder and must see
# each of them refused.
set -eu

table='
node/base:
proto:node/base
node/db:node/base
node/ldap:node/base
replication:node/base proto node/db
node/config:node/base
node/rules:node/base node/config
node/metaverse:node/base proto node/db
node/vault:node/base proto node/config node/handover
node/handover:node/base proto
node/cluster:node/base proto node/handover
node/register:node/base proto node/ldap node/config replication
node/source:node/base proto node/ldap node/config
node/target:node/base proto node/config node/vault
node/target/scim:node/base proto node/config node/vault node/target
node/engine:node/base proto node/db node/ldap replication node/vault node/config node/rules node/metaverse node/source node/target node/handover node/engine/query
node/engine/query:node/base proto node/db node/ldap replication node/config node/rules node/metaverse node/source node/target node/engine
node/observe:node/base node/db node/config node/metaverse
node/control:node/base node/config node/observe
node/daemon:node/base proto node/db replication node/vault node/config node/rules node/metaverse node/source node/target node/register node/cluster node/handover node/engine node/observe node/control
tools/twinsync:node/base proto replication node/config node/rules node/source node/target node/register node/metaverse node/observe node/control node/vault
tools/witness:node/base proto node/config node/register replication
tools/bench:node/base proto node/cluster node/register node/vault node/db node/ldap node/config node/rules node/metaverse node/source node/target node/engine node/daemon replication
'

check() { # check ROOT: print the offenders, fail if there are any
    (cd "$1" && find node replication proto tools -name '*.[ch]' -exec \
        grep -nH '#include "' {} + 2>/dev/null || true) |
    awk -v table="$table" '
        BEGIN {
            n = split(table, rows, "\n")
            for (i = 1; i <= n; i++) {
                if (rows[i] == "") continue
                split(rows[i], part, ":")
                known[part[1]] = 1
                m = split(part[2], targets, " ")
                for (j = 1; j <= m; j++) allowed[part[1], targets[j]] = 1
            }
        }
        function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
        {
            file = $0; sub(/:.*/, "", file)
            want = $0; sub(/^[^"]*"/, "", want); sub(/".*/, "", want)
            from = folder(file); to = folder(want)
            if (want ~ /\.sql\.h$/) next
            if (!(from in known)) { print file ": folder has no row"; bad = 1 }
            else if (want ~ /\.\.\// || (from != to && !((from, to) in allowed))) {
                print file " must not include " want; bad = 1
            }
        }
        END { exit bad }'
}

if [ "${1:-}" = --self-test ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    planted=0
    plant() { # plant FILE INCLUDE
        mkdir -p "$root/$(dirname "$1")" && echo "#include \"$2\"" >"$root/$1"
        check "$root" 2>&1 | grep -q "^$1" || { echo "not refused: $1 -> $2"; exit 1; }
        rm "$root/$1"; planted=$((planted + 1))
    }
    plant node/base/x.h replication/follower.h
    plant replication/x.c node/engine/engine.h
    plant replication/x.c ../node/base/err.h
    plant node/engine/x.c tools/twinsync/main.h
    plant node/rules/x.c node/metaverse/x.h
    plant node/target/x.c node/engine/engine.h
    plant node/attic/x.c node/base/err.h
    echo "$planted planted, all refused"
    exit 0
fi
check .
