#!/bin/sh
# Runs a TypeScript program of this project; installs the npm packages first where they are missing or out of date.
# usage: run.sh FILE [ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.control-plane-lb-lock
if ! cmp -s package-lock.json "$stamp"; then
  echo "installing npm packages (npm ci)"
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$stamp"
fi
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node --import tsx "$@"
