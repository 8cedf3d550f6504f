#!/bin/sh
# Runs a TypeScript program of this project. Installs the npm packages first if they are missing or out of date.
# The operator's commands need the production packages only and leave an own `npm ci --omit=dev` as it is.
# usage: run.sh FILE [ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."
# copies of the lock file whose packages are installed: all, or the production ones only
all=node_modules/.control-plane-lb-lock
production=node_modules/.control-plane-lb-production-lock

install() { # the copy to make, arguments for npm ci
  copy=$1
  shift
  echo "installing npm packages (npm ci${1:+ $1})" >&2
  # an interrupted npm ci must not look like a finished one
  rm -f "$all" "$production" node_modules/.package-lock.json
  npm ci --no-audit --no-fund --loglevel=error "$@" >&2 && cp package-lock.json "$copy"
}
update() { # the same, if the copy is missing or out of date
  cmp -s package-lock.json "$1" || install "$@"
}

case $1 in
status/* | render/*)
  # exit code 2: nothing is known
  if [ -e "$all" ]; then
    update "$all" || exit 2
  elif [ -e "$production" ] || [ ! -e node_modules/.package-lock.json ]; then
    update "$production" --omit=dev || exit 2
  fi
  ;;
*)
  update "$all"
  ;;
esac
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node --import tsx "$@"
