/** Units of HTTP rules in the kernel: who asks by a number finds the rules that it stands for, or nothing. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { HTTP_UNIT, ENUMS as UNIT_ENUMS } from '../../../bpf/dataplane/http_unit.gen.ts';
import { POLICY_DECISION } from '../../../bpf/dataplane/policy.gen.ts';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import { BOUNDS, compile, type PolicyTables } from '../../../collector/src/control/policy/compile.ts';
import { UnitCache } from '../../../collector/src/control/policy/decision_units.ts';
import { bytesOfUnit } from '../../../collector/src/control/policy/http/unit_bytes.ts';
import { PolicyMaps } from '../../../collector/src/control/policy/kernel.ts';
import { model, PODS } from '../../collector/policy/support/world.ts';
import { builtTestProgram } from '../../native/build.ts';

const PLACES = 4;
const ABSENT = 2 ** 32 - 1;
const CACHE = new UnitCache();

/** Tables of rules that allow one path at each of some ports. */
function tablesOf(paths: Readonly<Record<string, string>>, units = BOUNDS.units): PolicyTables {
  const entries = Object.entries(paths).map(
    ([port, path]) => `{ports: [{port: "${port}", protocol: TCP}], rules: {http: [{path: ${path}}]}}`,
  );
  const yaml =
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: x}\n' +
    `spec: {endpointSelector: {matchLabels: {pod: a}}, ingress: [{toPorts: [${entries.join(', ')}]}]}`;
  const cluster = { node: 'node-a', nodes: [], pods: [...PODS.values()] };
  const { tables } = compile(model(yaml), cluster, { ...BOUNDS, units }, CACHE);
  assert.ok(tables !== undefined);
  return tables;
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

describe('units of HTTP rules in the kernel', () => {
  let object: BpfObject;
  let maps: PolicyMaps;
  beforeEach(() => {
    object = openObject(builtTestProgram('policy_decide.bpf.o'));
    object.setMaxEntries('http_units', PLACES);
    object.load();
    maps = new PolicyMaps(object);
  });
  afterEach(() => object.close());

  const write = (tables: PolicyTables) => maps.write(tables, () => []);
  const placeOf = (number: number): number =>
    object.testRun('find_unit', { data: Buffer.concat([Buffer.alloc(14), u32(number)]) }).retval >>> 0;
  /** The unit's bytes, without its number. */
  function contentOf(number: number): Buffer {
    const bytes = object.map('http_units').lookup(u32(placeOf(number)));
    assert.ok(bytes !== null, `no unit ${number}`);
    bytes.writeUInt32LE(0, HTTP_UNIT.number);
    return bytes;
  }
  /** Numbers that port entries name, in the order of the ports. */
  function named(): readonly number[] {
    const { values, count } = object.map('policy_ports').entries();
    const all = Array.from({ length: count }, (_, index) =>
      values.readUInt32LE(index * POLICY_DECISION.size + POLICY_DECISION.http_unit),
    );
    return [...new Set(all)].filter((number) => number !== UNIT_ENUMS.http_unit_number.none);
  }

  it('what decisions name is there, whole, and nothing else is found', () => {
    const tables = tablesOf({ 80: '/a', 81: '/b' });
    write(tables);
    const numbers = named();
    assert.equal(numbers.length, 2);
    const contents = numbers.map((number) => contentOf(number).toString('base64'));
    assert.deepEqual(
      contents.toSorted(),
      tables.units.map((unit) => bytesOfUnit(unit, 0).toString('base64')).toSorted(),
    );
    for (const none of [
      0,
      1,
      2,
      255,
      ...numbers.map((number) => number + 256),
      ...numbers.map((number) => number - 256),
    ])
      assert.equal(placeOf(none), ABSENT, `${none}`);
  });

  it('the same rules keep their number; others never get one that was given', () => {
    write(tablesOf({ 80: '/a', 81: '/b' }));
    const given = new Set(named());
    const [kept] = [...given].filter((number) =>
      contentOf(number).equals(bytesOfUnit(tablesOf({ 1: '/a' }).units[0]!, 0)),
    );
    for (const path of ['/c', '/d', '/e', '/f', '/g']) {
      write(tablesOf({ 80: '/a', 81: path }));
      maps.free();
      const now = named();
      assert.equal(now.length, 2);
      assert.ok(kept !== undefined && now.includes(kept), 'of the rules that stayed');
      const fresh = now.filter((number) => number !== kept);
      for (const number of fresh) assert.ok(!given.has(number), `${number} was given before`);
      for (const number of given) if (number !== kept) assert.equal(placeOf(number), ABSENT, 'it is gone');
      for (const number of fresh) given.add(number);
    }
  });

  it('what counted before stays until it is freed', () => {
    write(tablesOf({ 80: '/a' }));
    const [old] = named();
    write(tablesOf({ 80: '/b' }));
    assert.notEqual(placeOf(old ?? 0), ABSENT);
    maps.free();
    assert.equal(placeOf(old ?? 0), ABSENT);
  });

  it('are taken up by who comes after: the same rules keep their number', () => {
    write(tablesOf({ 80: '/a' }));
    const [number] = named();
    maps = new PolicyMaps(object);
    maps.free();
    assert.notEqual(placeOf(number ?? 0), ABSENT, 'what counts is not freed');
    write(tablesOf({ 80: '/a' }));
    maps.free();
    assert.deepEqual(named(), [number]);
    write(tablesOf({ 80: '/b' }));
    maps = new PolicyMaps(object);
    maps.free();
    assert.equal(placeOf(number ?? 0), ABSENT, 'what an earlier run left is freed');
    assert.equal(named().length, 1);
  });

  it('without room nothing is written, and what counted before stays', () => {
    assert.equal(maps.mostUnits, PLACES / 2);
    write(tablesOf({ 80: '/a', 81: '/b' }));
    write(tablesOf({ 80: '/c', 81: '/d' }));
    const { generation } = maps;
    const before = named();
    assert.throws(() => write(tablesOf({ 80: '/e' })), { code: 'FLOW_POLICY_UNITS_FULL' });
    assert.equal(maps.generation, generation);
    assert.deepEqual(named(), before);
    maps.free();
    write(tablesOf({ 80: '/e' }));
    maps.free();
    assert.equal(named().length, 1);
  });

  it('rules that have no unit are named as such, which is never found', () => {
    write(tablesOf({ 80: '/a' }, 0));
    const { unfit } = UNIT_ENUMS.http_unit_number;
    assert.deepEqual(named(), [unfit]);
    assert.equal(placeOf(unfit), ABSENT);
  });
});
