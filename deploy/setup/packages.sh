#!/bin/bash
# Installs the Debian packages of the named sets that are missing. Usage: packages.sh run [demo] [test] [bench]
# Services that come with a package (nginx, redis) are not started.
set -euo pipefail

run='ca-certificates clang-19 bpftool libbpf-dev libelf-dev zlib1g-dev gcc libc6-dev'
test='curl nginx redis-server wrk iproute2 iptables nftables procps util-linux openssl libclang-rt-19-dev prometheus python3-prometheus-client etcd-server jq'
# What the benches set beside Flowspan.
bench='bpftrace tshark haproxy'
demo='curl nginx redis-server iproute2 iptables util-linux prometheus'

wanted=()
for set in "$@"; do
  # shellcheck disable=SC2206 # a list of words by intent
  case $set in
    run) wanted+=($run) ;;
    demo) wanted+=($demo) ;;
    test) wanted+=($test) ;;
    bench) wanted+=($bench) ;;
    *) echo "FLOW_SETUP_USAGE: no package set '$set'; there are: run demo test bench" >&2; exit 2 ;;
  esac
done
# A machine that has npm from elsewhere keeps it: it only fetches packages, Node 24 among them.
command -v npm >/dev/null || wanted+=(nodejs npm)

missing=$(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
  <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^installed //p' | sort -u))
[ -n "$missing" ] || exit 0

echo "setup: installing Debian packages:" $missing
if [ "$(id -u)" != 0 ]; then
  echo "FLOW_SETUP_NOT_ROOT: installing packages needs root; run as root: apt-get install" $missing >&2
  exit 1
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words by intent
apt-get install -y -qq --no-install-recommends $missing >/dev/null
