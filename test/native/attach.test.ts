/** Attaching: to a cgroup by path and descriptor, to a tracepoint, and what is left after closing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { type BpfObject, openKernelTypes } from '../../collector/native/addon.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { run } from '../../deploy/lab/program.ts';
import { nativeError, u32, withProbe } from './probe.ts';

let cgroup: Cgroup;

before(() => {
  cgroup = createCgroup();
});
after(() => cgroup.remove());

/** Sends three datagrams to a loopback port from inside the cgroup. */
async function sendThree(): Promise<void> {
  const script = `const s = require('node:dgram').createSocket('udp4'); let left = 3;
    for (let i = 0; i < 3; i++) s.send('x', 9, '127.0.0.1', () => { if (--left === 0) s.close(); });`;
  await run({ cgroup }, [process.execPath, '-e', script]);
}

const packets = (object: BpfObject) => object.getGlobal('packets').readBigUInt64LE();

/** Ids of the programs attached to the cgroup, as bpftool sees them. */
function attachedToCgroup(): number[] {
  const output = execFileSync('bpftool', ['-j', 'cgroup', 'show', cgroup.path], { encoding: 'utf8' });
  return output.trim() === '' ? [] : (JSON.parse(output) as { id: number }[]).map(({ id }) => id);
}

test('a program attached to a cgroup sees its packets until the link is closed', () =>
  withProbe(async (object) => {
    const link = object.attachCgroup('pass_packet', cgroup.path);
    assert.equal(attachedToCgroup().length, 1);
    await sendThree();
    assert.equal(packets(object), 3n);
    assert.equal(object.map('per_cgroup').entries().count, 1, 'storage of the cgroup, read without batch');
    link.close();
    link.close();
    assert.deepEqual(attachedToCgroup(), []);
    await sendThree();
    assert.equal(packets(object), 3n);
  }));

test('a cgroup is taken by descriptor as well, which stays open', () =>
  withProbe((object) => {
    const descriptor = openSync(cgroup.path, 'r');
    object.attachCgroup('pass_packet', descriptor);
    assert.equal(attachedToCgroup().length, 1);
    closeSync(descriptor);
    assert.equal(attachedToCgroup().length, 1);
  }));

test('closing the object detaches everything of it, and nothing of another', () =>
  withProbe(async (object) => {
    object.attachCgroup('pass_packet', cgroup.path);
    await withProbe((other) => {
      other.attachCgroup('pass_packet', cgroup.path);
      other.attach('on_system_call');
      assert.equal(attachedToCgroup().length, 2);
    });
    assert.equal(attachedToCgroup().length, 1);
  }));

test('what is no cgroup is refused', () =>
  withProbe((object) => {
    const absent = nativeError('FLOW_NATIVE_CGROUP', () => object.attachCgroup('pass_packet', '/no/such/cgroup'));
    assert.equal(absent.errno, 2);
    assert.equal(nativeError('FLOW_NATIVE_ATTACH', () => object.attachCgroup('pass_packet', '/proc')).errno, 9);
    nativeError('FLOW_NATIVE_ATTACH', () => object.attachCgroup('pass_packet', 999_999));
    nativeError('FLOW_NATIVE_ARGUMENT', () => object.attachCgroup('pass_packet', ''));
    nativeError('FLOW_NATIVE_ATTACH', () => object.attachCgroup('write_records', cgroup.path));
  }));

test('a program that its section does not attach is refused', () =>
  withProbe((object) => {
    nativeError('FLOW_NATIVE_ATTACH', () => object.attach('write_records'));
    nativeError('FLOW_NATIVE_PROGRAM', () => object.attach('no_such_program'));
  }));

test('a tracepoint program runs while it is attached', () =>
  withProbe(
    (object) => {
      const calls = () => object.getGlobal('system_calls').readBigUInt64LE();
      const link = object.attach('on_system_call');
      process.kill(process.pid, 0);
      const during = calls();
      assert.ok(during > 0n);
      link.close();
      const closed = calls();
      for (let i = 0; i < 100; i++) process.kill(process.pid, 0);
      assert.equal(calls(), closed);
    },
    (object) => object.setGlobal('watched_pid', u32(process.pid)),
  ));

test("the kernel's own types name its enums and hooks", () => {
  const types = openKernelTypes();
  try {
    const reasons = types.enumValues('skb_drop_reason');
    assert.ok(Object.values(reasons).includes('SKB_DROP_REASON_NO_SOCKET'));
    assert.ok(Object.keys(reasons).every((value) => /^\d+$/.test(value)));
    assert.equal(types.enumValues('tcp_ca_state')[3], 'TCP_CA_Recovery');
    assert.deepEqual(types.enumValues('no_such_enum'), {});
    assert.ok(types.has('typedef', 'btf_trace_kfree_skb'));
    assert.ok(types.has('func', 'bpf_iter_task_file'));
    assert.ok(types.has('struct', 'tcp_sock'));
    assert.ok(types.has('enum', 'skb_drop_reason'));
    assert.ok(!types.has('typedef', 'btf_trace_no_such_tracepoint'));
    assert.ok(!types.has('struct', 'btf_trace_kfree_skb'));
    nativeError('FLOW_NATIVE_ARGUMENT', () => types.has('union' as 'struct', 'x'));
  } finally {
    types.close();
    types.close();
  }
  nativeError('FLOW_NATIVE_CLOSED', () => types.has('struct', 'tcp_sock'));
});
