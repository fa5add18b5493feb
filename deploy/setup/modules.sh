#!/bin/bash
# Brings node_modules to what package-lock.json says; does nothing when it is so already.
set -euo pipefail
cd "$(dirname "$0")/../.."

node=node_modules/.bin/node
if [ -x $node ] && $node deploy/setup/modules-current.ts; then exit 0; fi
echo 'setup: npm ci'
npm ci --no-audit --no-fund --loglevel=error
# Debian's npm leaves out the command of the package that brings Node.
[ -e $node ] || (cd node_modules/.bin && ln -s ../node-linux-*/bin/node node)
$node deploy/setup/modules-current.ts || {
  echo 'FLOW_SETUP_MODULES: npm ci ended, yet node_modules is not what package-lock.json says; look at its output' >&2
  exit 1
}
