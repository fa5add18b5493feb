/** What is demanded of a machine before anything is loaded, and how the start is reported. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttachError } from '../../collector/src/attach/error.ts';
import { checkHost, findCgroupMount, type HostFacts, kernelAtLeast } from '../../collector/src/attach/host.ts';
import type { ProgramStatus } from '../../collector/src/attach/load.ts';
import { KERNEL_FLOOR, PROGRAMS } from '../../collector/src/attach/programs.ts';
import { formatReport } from '../../collector/src/attach/table.ts';
import { cgroupRoot } from '../../deploy/lab/cgroup.ts';

const status = (...bits: number[]) => {
  const mask = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
  return `Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t${mask.toString(16).padStart(16, '0')}\n`;
};
const BPF = 39;
const PERFMON = 38;
const SYS_ADMIN = 21;
const SYS_PTRACE = 19;
const NET_ADMIN = 12;
const READ_SEARCH = 2;

const FACTS: HostFacts = {
  release: '6.1.0-28-cloud-amd64',
  types: true,
  status: status(BPF, PERFMON, NET_ADMIN, SYS_PTRACE, READ_SEARCH),
  mounts: 'proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n',
  lockdown: '[none] integrity confidentiality\n',
  inode: () => 1n,
};

const found = (facts: Partial<HostFacts>, root?: string) => checkHost(root, { ...FACTS, ...facts });

function refusal(code: string, facts: Partial<HostFacts>, root?: string): AttachError {
  try {
    found(facts, root);
  } catch (error) {
    assert.ok(error instanceof AttachError, String(error));
    assert.equal(error.code, code);
    return error;
  }
  assert.fail(`${code} was not thrown`);
}

test('this machine is found fit', () => {
  const host = checkHost();
  assert.equal(host.cgroupRoot, cgroupRoot());
  assert.ok(host.checks.every(({ ok }) => ok));
});

test('a kernel is compared by its numbers', () => {
  for (const [release, floor, expected] of [
    ['6.1.0-28-cloud-amd64', '5.17', true],
    ['5.17.0', '5.17', true],
    ['5.17', '5.17', true],
    ['5.4.0-generic', '5.17', false],
    ['5.9.16', '5.17', false],
    ['10.0.1', '6.18', true],
    ['6.18.44-fc-v595', '6.3', true],
    ['4.99-rc1', '5.0', false],
  ] as const) {
    assert.equal(kernelAtLeast(release, floor), expected, `${release} and ${floor}`);
  }
  assert.match(refusal('FLOW_ATTACH_KERNEL', { release: '5.10.0-30-amd64' }).message, /5\.10\.0-30-amd64.*5\.17/);
});

test('a kernel without types is refused', () => {
  refusal('FLOW_ATTACH_TYPES', { types: false });
});

test('capabilities are read from what is effective', () => {
  const error = refusal('FLOW_ATTACH_CAPABILITIES', { status: status(BPF) });
  assert.match(error.message, /without CAP_PERFMON, CAP_NET_ADMIN\./);
  refusal('FLOW_ATTACH_CAPABILITIES', { status: status(SYS_ADMIN) });
  refusal('FLOW_ATTACH_CAPABILITIES', { status: 'Name:\tnode\n' });
  assert.ok(found({ status: status(SYS_ADMIN, NET_ADMIN, SYS_PTRACE) }), 'CAP_SYS_ADMIN includes the first two');
  const check = found({ status: status(BPF, PERFMON, NET_ADMIN) }).checks.find(({ name }) => name === 'capabilities');
  assert.equal(check?.ok, false);
  assert.equal(
    check?.found,
    'CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN; not CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH',
    'each that is missed is named',
  );
  assert.match(check?.missing ?? '', /executables of other users' processes.*who listens where/);
});

test('the cgroup v2 mount is found wherever it is', () => {
  assert.equal(found({}).cgroupRoot, '/sys/fs/cgroup');
  assert.equal(findCgroupMount('cgroup2 /mnt/with\\040space cgroup2 rw 0 0\n'), '/mnt/with space');
  assert.equal(findCgroupMount('cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n'), undefined);
  assert.match(refusal('FLOW_ATTACH_CGROUP', { mounts: 'proc /proc proc rw 0 0\n' }).message, /not mounted/);
  assert.match(refusal('FLOW_ATTACH_CGROUP', { inode: () => undefined }, '/no').message, /\/no is not there/);
});

test('a cgroup below the root limits what is seen, and says so', () => {
  const check = found({ inode: () => 42n }, '/sys/fs/cgroup/some.slice').checks.find(({ name }) => name === 'cgroup');
  assert.equal(check?.ok, false);
  assert.match(check?.found ?? '', /some\.slice, which is not the root/);
  assert.notEqual(check?.missing, '');
});

test('only confidentiality locks programs out', () => {
  refusal('FLOW_ATTACH_LOCKDOWN', { lockdown: 'none integrity [confidentiality]\n' });
  assert.ok(found({ lockdown: 'none [integrity] confidentiality\n' }));
  assert.ok(found({ lockdown: undefined }));
});

test('the report says what is attached, what is not, why, and what will be missing', () => {
  const named = (name: string) => PROGRAMS.find((program) => program.name === name)!;
  const programs: readonly ProgramStatus[] = [
    { ...named('inet_sock_set_state'), attached: true, reason: '' },
    { ...named('sock_recv_length'), attached: false, reason: 'this kernel has no tracepoint sock_recv_length' },
  ];
  const lines = formatReport(found({ inode: () => 42n }, '/x'), programs).split('\n');
  assert.ok(lines.some((line) => /^kernel +ok +Linux 6\.1\.0/.test(line)));
  assert.ok(lines.some((line) => /^inet_sock_set_state +tp_btf +attached$/.test(line)));
  assert.ok(lines.some((line) => /^sock_recv_length +tp_btf +not attached +this kernel has no/.test(line)));
  assert.ok(lines.some((line) => /^sock_recv_length +when the application read/.test(line)));
  assert.ok(lines.some((line) => /^cgroup +requests and UDP flows of sockets made outside/.test(line)));
  assert.match(formatReport(found({}), programs.slice(0, 1)), /\nNothing will be missing\.\n$/);
});

test('each program says what is lost without it, and from which kernel on it works', () => {
  for (const { name, missing, kernelFloor, required } of PROGRAMS) {
    assert.match(missing, /[^.]$/, name);
    assert.match(kernelFloor, /^\d+\.\d+$/, name);
    if (required) assert.ok(kernelAtLeast(KERNEL_FLOOR, kernelFloor), `${name}: the floor covers what is required`);
  }
  assert.equal(new Set(PROGRAMS.map(({ name }) => name)).size, PROGRAMS.length);
});
