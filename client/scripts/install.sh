#!/bin/sh
# Installs the locked npm packages, again only when the lock changes. Ends with 75 if they cannot be fetched.
set -eu
cd "$(dirname "$0")/.."
[ node_modules/.package-lock.json -nt package-lock.json ] && exit 0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "client: installing the locked npm packages; once, and it takes some seconds"
if ! scripts/node.sh npm ci --no-update-notifier >"$log" 2>&1; then
    cat "$log" >&2
    grep -Eq 'code (E(NOTFOUND|AI_AGAIN|CONN[A-Z]+|TIMEDOUT|NETUNREACH|HOSTUNREACH|SOCKETTIMEDOUT)|ERR_SOCKET_TIMEOUT)|No matching distribution' "$log" && exit 75
    exit 1
fi
