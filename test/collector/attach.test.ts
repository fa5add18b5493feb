/** Loading and attaching: what is left out and why, what refuses the start, and that nothing is left then. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { isNativeError, openObject } from '../../collector/native/addon.ts';
import { AttachError } from '../../collector/src/attach/error.ts';
import { type Attached, type AttachOptions, attachPrograms } from '../../collector/src/attach/load.ts';
import { impossiblePrograms } from '../../collector/src/attach/probe.ts';
import { PROGRAMS, type Program, type ProgramKind, SHARED_PROGRAMS } from '../../collector/src/attach/programs.ts';
import { objectWithReader } from '../../collector/src/attach/redirect_reader.ts';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { builtTestProgram } from '../native/build.ts';

const REAL_OBJECT = new URL('../../build/bpf/flowspan.bpf.o', import.meta.url).pathname;

let cgroup: Cgroup;
let objectPath = '';

before(() => {
  cgroup = createCgroup();
  objectPath = builtTestProgram('attach.bpf.o');
});
after(() => cgroup.remove());

const program = (name: string, kind: ProgramKind, more: Partial<Program> = {}): Program => ({
  name,
  kind,
  required: false,
  kernelFloor: '5.17',
  missing: `what ${name} tells`,
  ...more,
});

const GOOD: readonly Program[] = [
  program('good_tracepoint', 'tp_btf', { required: true }),
  program('good_packet', 'cgroup_skb', { required: true }),
  program('good_iterator', 'iterator', { map: 'numbers' }),
  program('good_runner', 'syscall'),
];

const attach = (programs: readonly Program[], options: Partial<AttachOptions> = {}): Attached =>
  attachPrograms({ objectPath, cgroupRoot: cgroup.path, programs, ...options });

/** Programs of attach.bpf.c that the kernel has. */
function ownProgramsInKernel(): number {
  const all = JSON.parse(execFileSync('bpftool', ['-j', 'prog', 'show'], { encoding: 'utf8' })) as { name?: string }[];
  const own = /^(good_(tracepoint|packet|iterator|runner)|refused_program|also_refused)/;
  return all.filter(({ name = '' }) => own.test(name)).length;
}

/** The error of a start that must fail with this code, and must leave nothing in the kernel. */
async function refused(code: string, start: () => unknown): Promise<AttachError> {
  assert.equal(ownProgramsInKernel(), 0);
  try {
    start();
  } catch (error) {
    assert.ok(error instanceof AttachError, String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.includes(error.nextStep));
    await eventually('its programs to be gone', () => ownProgramsInKernel() === 0);
    return error;
  }
  assert.fail(`${code} was not thrown`);
}

/** Attaches, looks, and detaches. */
async function attached(programs: readonly Program[], look: (attached: Attached) => void): Promise<void> {
  const result = attach(programs);
  try {
    look(result);
  } finally {
    result.close();
  }
  await eventually('its programs to be gone', () => ownProgramsInKernel() === 0);
}

const reasons = ({ programs }: Attached) =>
  Object.fromEntries(programs.filter((row) => !row.attached).map(({ name, reason }) => [name, reason]));

test('what works is attached, and detached by closing', () =>
  attached(GOOD, ({ object, programs, iterators }) => {
    assert.ok(programs.every((row) => row.attached && row.reason === ''));
    assert.deepEqual([...iterators.keys()], ['good_iterator']);
    assert.equal(object.iterate(iterators.get('good_iterator')!).length, 0);
    assert.equal(object.testRun('good_runner').retval, 0);
    assert.equal(ownProgramsInKernel(), 4, 'programs that are not in the list are not loaded');
  }));

test('optional programs that this kernel does not take are left out, each with its reason', () =>
  attached(
    [
      program('absent_tracepoint', 'tp_btf'),
      program('refused_program', 'tp_btf'),
      program('also_refused', 'tp_btf'),
      program('not_in_object', 'tp_btf'),
      program('good_runner', 'tp_btf'),
      ...GOOD.slice(0, 3),
    ],
    (result) => {
      const left = reasons(result);
      assert.deepEqual(Object.keys(left), [
        'absent_tracepoint',
        'refused_program',
        'also_refused',
        'not_in_object',
        'good_runner',
      ]);
      assert.equal(left.absent_tracepoint, 'this kernel has no tracepoint flowspan_never_was');
      assert.match(left.refused_program ?? '', /invalid mem access 'scalar'/);
      assert.match(left.also_refused ?? '', /invalid mem access 'scalar'/);
      assert.equal(left.not_in_object, 'the BPF object has no such program');
      assert.match(left.good_runner ?? '', /cannot attach good_runner/);
      assert.deepEqual(
        result.programs
          .filter((row) => row.attached)
          .map(({ name }) => name)
          .sort(),
        ['good_iterator', 'good_packet', 'good_tracepoint'],
      );
    },
  ));

test('a required program that cannot work stops the start, whatever stands in its way', async () => {
  const required = { required: true };
  const cases: [Program, RegExp][] = [
    [program('absent_tracepoint', 'tp_btf', required), /no tracepoint flowspan_never_was/],
    [program('refused_program', 'tp_btf', required), /invalid mem access 'scalar'/],
    [program('not_in_object', 'tp_btf', required), /no such program/],
    [program('good_runner', 'tp_btf', required), /cannot attach good_runner/],
  ];
  for (const [bad, expected] of cases) {
    const error = await refused('FLOW_ATTACH_REQUIRED', () => attach([...GOOD.slice(0, 3), bad]));
    assert.match(error.message, expected);
    assert.match(error.message, new RegExp(`required program ${bad.name} .* missing would be what ${bad.name} tells`));
  }
});

test("the verifier's words are in the cause", async () => {
  const error = await refused('FLOW_ATTACH_REQUIRED', () =>
    attach([program('refused_program', 'tp_btf', { required: true })]),
  );
  assert.ok(isNativeError(error.cause));
  assert.match(error.cause.log, /prog 'refused_program': BPF program load failed/);
});

test('a cgroup that is none stops the start after programs were attached, and detaches them', async () => {
  const error = await refused('FLOW_ATTACH_REQUIRED', () => attach(GOOD, { cgroupRoot: '/proc' }));
  assert.match(error.message, /good_packet/);
});

test('an object of another wire layout is refused', async () => {
  const error = await refused('FLOW_ATTACH_LAYOUT', () =>
    attach(GOOD, { objectPath: builtTestProgram('other_layout.bpf.o') }),
  );
  assert.match(error.message, /layout 0123456789abcdef, this collector reads [0-9a-f]{16}/);
});

test('knobs take the width of their variable', async () => {
  const result = attach(GOOD, { knobs: { small_knob: 65535 }, mapEntries: { numbers: 99 } });
  assert.equal(result.object.getGlobal('small_knob').readUInt16LE(), 65535);
  assert.equal(result.object.map('numbers').maxEntries, 99);
  result.close();
  await eventually('its programs to be gone', () => ownProgramsInKernel() === 0);
  for (const value of [65536, -1, 2n ** 64n]) {
    const error = await refused('FLOW_ATTACH_KNOB', () => attach(GOOD, { knobs: { small_knob: value } }));
    assert.match(error.message, /small_knob .* 2 bytes\. Give it a value from 0 to 65535/);
  }
});

test('hooks are looked up by the section of the program', () => {
  const asked: string[] = [];
  const types = {
    has: (kind: string, name: string) => {
      asked.push(`${kind} ${name}`);
      return false;
    },
  };
  const infos = ['tp_btf/kfree_skb', 'iter/task_file', 'cgroup_skb/egress', 'syscall'].map((section) => ({
    name: section,
    section,
    type: '',
  }));
  assert.deepEqual(
    [...impossiblePrograms(infos, types)],
    [
      ['tp_btf/kfree_skb', 'this kernel has no tracepoint kfree_skb'],
      ['iter/task_file', 'this kernel has no iterator over task_file'],
    ],
  );
  assert.deepEqual(asked, ['typedef btf_trace_kfree_skb', 'func bpf_iter_task_file']);
});

test('the list of programs is the list of the object', () => {
  const namesIn = (path: string) => {
    const object = openObject(path);
    const names = object.programs().map(({ name }) => name);
    object.close();
    return names.sort();
  };
  assert.deepEqual(PROGRAMS.map(({ name }) => name).sort(), namesIn(REAL_OBJECT));
  const { objectPath: withReader } = objectWithReader(REAL_OBJECT);
  assert.deepEqual([...PROGRAMS, ...SHARED_PROGRAMS].map(({ name }) => name).sort(), namesIn(withReader));
});

test('every program of Flowspan attaches on this kernel', () => {
  const result = attachPrograms({ objectPath: REAL_OBJECT, cgroupRoot: cgroup.path });
  const left = reasons(result);
  result.close();
  assert.deepEqual(left, {});
});

/** Checks and attaches in a process that has only these capabilities; what it printed. */
function withCapabilities(...names: readonly string[]): string {
  const script = `
    import { checkHost } from '${import.meta.resolve('../../collector/src/attach/host.ts')}';
    import { attachPrograms } from '${import.meta.resolve('../../collector/src/attach/load.ts')}';
    try {
      const { cgroupRoot } = checkHost('${cgroup.path}');
      const { programs, close } = attachPrograms({ objectPath: '${REAL_OBJECT}', cgroupRoot });
      console.log(programs.filter(({ attached }) => !attached).map(({ name, reason }) => name + ': ' + reason).join());
      close();
    } catch (error) {
      console.log(error.code);
    }`;
  const bounding = `-all${names.map((name) => `,+${name}`).join('')}`;
  const { stdout, stderr } = spawnSync(
    'setpriv',
    [`--bounding-set=${bounding}`, '--inh-caps=-all', process.execPath, '--input-type=module-typescript', '-e', script],
    { encoding: 'utf8', timeout: 20_000 },
  );
  assert.equal(stderr, '');
  return stdout.trim();
}

test('three capabilities are enough, CAP_SYS_ADMIN is not among them; fewer are refused', () => {
  assert.equal(withCapabilities('bpf', 'perfmon', 'net_admin'), '');
  assert.equal(withCapabilities('bpf', 'perfmon'), 'FLOW_ATTACH_CAPABILITIES');
  assert.equal(withCapabilities(), 'FLOW_ATTACH_CAPABILITIES');
});
