#!/bin/sh
# Everything that can be tested of the client on this machine; what cannot be had for it is named.
set -eu
cd "$(dirname "$0")/.."

code=0
scripts/install.sh || code=$?
if [ "$code" -eq 75 ]; then
    echo "client-test: left out, Node.js or the npm packages cannot be fetched; see above"
    exit 0
fi
[ "$code" -eq 0 ] || exit "$code"

run() { scripts/node.sh "$@"; }
run npm run --silent lint
run npm run --silent types
run npm run --silent generated
run npm run --silent sizes
run npx vitest run

browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "$browser" ]; then
    echo "client-test: passed but for the browser tests, left out for want of Chromium (Debian: apt-get install chromium; or set CHROMIUM)"
    exit 0
fi
CHROMIUM=$browser run npx vitest run --config e2e/vitest.config.ts
echo "client-test: lint, types, generated files, unit and browser tests passed"
