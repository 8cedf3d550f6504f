#!/bin/sh
# Runs a TypeScript program of this project. Installs the npm packages first if they are missing or out of date.
# The status command needs the production packages only and leaves an operator's own `npm ci --omit=dev` as it is.
# usage: run.sh FILE [ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.control-plane-lb-lock

install() { # arguments for npm ci
  echo "installing npm packages (npm ci${1:+ $1})" >&2
  npm ci --no-audit --no-fund --loglevel=error "$@" >&2
}

case $1 in
status/*)
  if [ ! -e node_modules/.package-lock.json ]; then
    install --omit=dev
  elif [ -e "$stamp" ] && ! cmp -s package-lock.json "$stamp"; then
    install
    cp package-lock.json "$stamp"
  fi
  ;;
*)
  if ! cmp -s package-lock.json "$stamp"; then
    install
    cp package-lock.json "$stamp"
  fi
  ;;
esac
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node --import tsx "$@"
