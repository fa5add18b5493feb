#!/bin/bash
# Licence headers, load-time licence of the BPF programs, and a warning for long files.
set -euo pipefail
cd "$(dirname "$0")/../.."

status=0
fail() { echo "$1" >&2; status=1; }
sources() { git ls-files --cached --others --exclude-standard -- "$@" | grep -vE 'vmlinux|\.gen\.' | while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }

for file in $(sources 'bpf/*.c' 'bpf/*.h'); do
  head -1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause' ||
    fail "FLOW_CHECK_LICENCE: $file: first line must say SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause"
done
for file in $(sources 'collector/native/*.c' 'collector/native/*.h'); do
  head -1 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
    fail "FLOW_CHECK_LICENCE: $file: first line must say SPDX-License-Identifier: Apache-2.0"
done
grep -q '"Dual BSD/GPL"' bpf/flowspan.bpf.c || fail 'FLOW_CHECK_LICENCE: bpf/flowspan.bpf.c: section license must hold "Dual BSD/GPL"'

sources '*.ts' '*.c' '*.h' '*.sh' | xargs wc -l | awk '$2 != "total" && $1 > 300 { print "warning: " $2 " has " $1 " lines, over 300: is it one thing?" }'
exit $status
