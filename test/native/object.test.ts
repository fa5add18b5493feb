/** Opening, choosing and loading an object, and what errors say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BpfObject, enableStats, isNativeError, openObject, openRing } from '../../collector/native/addon.ts';
import { nativeError, openProbe, u32, u64, withProbe, writeRecords } from './probe.ts';

/** Opens the probe, lets `use` work on it unloaded, and closes it. */
function withOpened(use: (object: BpfObject) => void): void {
  const object = openProbe();
  try {
    use(object);
  } finally {
    object.close();
  }
}

test('a file that is not there, and one that is no BPF object, are told apart', () => {
  const absent = nativeError('FLOW_NATIVE_OPEN', () => openObject('/no/such/object.bpf.o'));
  assert.equal(absent.errno, 2);
  assert.equal(absent.cause, 'No such file or directory');
  assert.match(absent.message, /\/no\/such\/object\.bpf\.o/);
  const foreign = nativeError('FLOW_NATIVE_OPEN', () => openObject(import.meta.filename));
  assert.notEqual(foreign.errno, 0);
  assert.notEqual(foreign.cause, absent.cause);
});

test('programs are listed with section and type, loaded or not', () =>
  withOpened((object) => {
    const programs = new Map(object.programs().map((program) => [program.name, program]));
    assert.deepEqual(programs.get('walk_numbers'), {
      name: 'walk_numbers',
      section: 'iter/bpf_map_elem',
      type: 'tracing',
    });
    assert.equal(programs.get('pass_packet')?.type, 'cgroup_skb');
    assert.equal(programs.get('write_records')?.type, 'syscall');
    assert.ok(programs.has('rejected'));
  }));

test('globals of every width are read, set before the load, and reach the programs', () =>
  withProbe(
    (object) => {
      assert.equal(object.getGlobal('knob16').readUInt16LE(), 0xbeef);
      assert.equal(object.getGlobal('knob64').readBigUInt64LE(), 2n ** 63n + 1n);
      assert.equal(object.getGlobal('knob_text').toString('latin1'), 'twelve bytes');
      assert.equal(object.getGlobal('initialised').readUInt32LE(), 70);
      nativeError('FLOW_NATIVE_ALREADY_LOADED', () => object.setGlobal('knob32', u32(1)));
    },
    (object) => {
      assert.equal(object.getGlobal('knob8').readUInt8(), 8);
      assert.equal(object.getGlobal('knob16').readUInt16LE(), 16);
      assert.equal(object.getGlobal('knob32').readUInt32LE(), 32);
      assert.equal(object.getGlobal('initialised').readUInt32LE(), 7);
      assert.equal(object.getGlobal('packets').readBigUInt64LE(), 0n);
      object.setGlobal('knob16', Uint8Array.of(0xef, 0xbe));
      object.setGlobal('knob64', u64(2n ** 63n + 1n));
      object.setGlobal('knob_text', Buffer.from('twelve bytes'));
      object.setGlobal('initialised', u32(70));
    },
  ));

test('a global with another name or size is refused', () =>
  withOpened((object) => {
    nativeError('FLOW_NATIVE_GLOBAL', () => object.setGlobal('no_such_global', u32(1)));
    nativeError('FLOW_NATIVE_GLOBAL', () => object.getGlobal('no_such_global'));
    const error = nativeError('FLOW_NATIVE_GLOBAL', () => object.setGlobal('knob64', u32(1)));
    assert.match(error.message, /knob64 has 8 bytes, not 4/);
  }));

test("the verifier's words are in the error of the load, and one failed load is final", () =>
  withOpened((object) => {
    object.setAutoload('rejected', true);
    const error = nativeError('FLOW_NATIVE_LOAD', () => object.load());
    assert.equal(error.errno, 13);
    assert.match(error.log, /prog 'rejected': BPF program load failed/);
    assert.match(error.log, /invalid access to map value|unbounded memory access/);
    assert.match(error.message, /cannot load probe.*: Permission denied/);
    nativeError('FLOW_NATIVE_ALREADY_LOADED', () => object.load());
    nativeError('FLOW_NATIVE_NOT_LOADED', () => object.attach('on_system_call'));
    nativeError('FLOW_NATIVE_NOT_LOADED', () => object.map('numbers'));
    nativeError('FLOW_NATIVE_NOT_LOADED', () => openRing(object, 'ring'));
  }));

test('the log of one call does not show in the error of the next', () =>
  withOpened((object) => {
    object.setAutoload('rejected', true);
    assert.notEqual(nativeError('FLOW_NATIVE_LOAD', () => object.load()).log, '');
    assert.equal(nativeError('FLOW_NATIVE_PROGRAM', () => object.attach('no_such_program')).log, '');
  }));

test('a program that was not loaded cannot be attached', () =>
  withProbe(
    (object) => {
      nativeError('FLOW_NATIVE_NOT_LOADED', () => object.attach('on_system_call'));
      nativeError('FLOW_NATIVE_NOT_LOADED', () => object.testRun('rejected'));
      assert.ok(!object.programStats().some(({ name }) => name === 'on_system_call'));
    },
    (object) => object.setAutoload('on_system_call', false),
  ));

test('the size of a map is chosen before the load', () =>
  withProbe(
    (object) => {
      assert.equal(object.map('numbers').maxEntries, 5);
      assert.equal(openRing(object, 'ring').size, 8192);
      nativeError('FLOW_NATIVE_ALREADY_LOADED', () => object.setMaxEntries('numbers', 6));
    },
    (object) => {
      object.setMaxEntries('numbers', 5);
      object.setMaxEntries('ring', 8192);
      nativeError('FLOW_NATIVE_MAP', () => object.setMaxEntries('no_such_map', 6));
    },
  ));

test('a test run returns verdict, packet and context', () =>
  withProbe((object) => {
    const data = Buffer.alloc(64, 0x11);
    const context = Buffer.alloc(192);
    context.writeUInt32LE(41, 8);
    const result = object.testRun('rewrite_packet', { data, ctx: context, repeat: 3 });
    assert.equal(result.retval, 5);
    assert.equal(result.data.length, 64);
    assert.equal(result.data[14], 0xaa);
    assert.equal(result.data[15], 0x11);
    assert.equal(result.ctx.readUInt32LE(8), 44, 'mark was raised three times');
    assert.ok(
      data.every((byte) => byte === 0x11),
      'the input is left alone',
    );
    nativeError('FLOW_NATIVE_TEST_RUN', () => object.testRun('rewrite_packet', { data: Buffer.alloc(3) }));
  }));

test('what programs cost is counted while statistics are enabled', () =>
  withProbe((object) => {
    const cost = () => object.programStats().find(({ name }) => name === 'write_records');
    assert.ok((cost()?.id ?? 0) > 0);
    assert.ok((cost()?.verifiedInstructions ?? 0) > 10);
    const before = cost()?.runCount ?? 0n;
    const stats = enableStats();
    for (let run = 0; run < 5; run++) writeRecords(object, { count: 1, length: 16 });
    stats.close();
    stats.close();
    assert.ok((cost()?.runCount ?? 0n) >= before + 5n);
    assert.ok((cost()?.runTimeNs ?? 0n) > 0n);
  }));

test('wrong arguments are named, and are TypeErrors', () =>
  withOpened((object) => {
    const wrong: [RegExp, () => unknown][] = [
      [/path/, () => openObject('')],
      [/path/, () => openObject(undefined as unknown as string)],
      [/NUL/, () => openObject('a\0b')],
      [/at most 4095/, () => openObject('x'.repeat(5000))],
      [/autoload/, () => object.setAutoload('rejected', 1 as unknown as boolean)],
      [/entries/, () => object.setMaxEntries('numbers', -1)],
      [/entries/, () => object.setMaxEntries('numbers', 1.5)],
      [/entries/, () => object.setMaxEntries('numbers', Number.NaN)],
      [/Uint8Array/, () => object.setGlobal('knob32', [1, 2, 3, 4] as unknown as Uint8Array)],
      [/Uint8Array/, () => object.setGlobal('knob32', new Uint16Array(2) as unknown as Uint8Array)],
      [/not a BpfObject/, () => openRing({} as BpfObject, 'ring')],
      [/not by new/, () => new (object.constructor as new () => unknown)()],
    ];
    for (const [expected, run] of wrong) {
      const error = nativeError('FLOW_NATIVE_ARGUMENT', run);
      assert.ok(error instanceof TypeError);
      assert.match(error.message, expected);
    }
    assert.throws(() => object.load.call({} as BpfObject), TypeError);
    assert.throws(() => object.close.call(undefined as unknown as BpfObject), TypeError);
  }));

test('an object closed twice is closed, and nothing else can be done with it', () => {
  const object = openProbe();
  object.load();
  const map = object.map('numbers');
  object.close();
  object.close();
  for (const run of [
    () => object.programs(),
    () => object.map('numbers'),
    () => object.testRun('write_records'),
    () => object.getGlobal('knob32'),
    () => map.lookup(u32(1)),
    () => map.entries(),
  ]) {
    nativeError('FLOW_NATIVE_CLOSED', run);
  }
  map.close();
});

test('an error of JavaScript passes through unchanged', () =>
  withProbe((object) => {
    const options = {
      get data(): Uint8Array {
        throw new RangeError('from the getter');
      },
    };
    assert.throws(() => object.testRun('rewrite_packet', options), /from the getter/);
    assert.ok(!isNativeError(new Error('other')));
  }));
