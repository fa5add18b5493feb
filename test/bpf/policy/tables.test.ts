/** The kernel's verdict is the model's, over random policies of all kinds. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ENUMS, POLICY_ANSWER } from '../../../bpf/dataplane/policy.gen.ts';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import { compile, type PolicyTables } from '../../../collector/src/control/policy/compile.ts';
import type { End } from '../../../collector/src/control/policy/endpoints.ts';
import { PolicyMaps } from '../../../collector/src/control/policy/kernel.ts';
import { DIRECTIONS, type Direction, modelOf } from '../../../collector/src/control/policy/model.ts';
import { type Address, mappedPrefix, only } from '../../../collector/src/control/policy/prefix.ts';
import { readPolicy } from '../../../collector/src/control/policy/read_policy.ts';
import { verdictOf } from '../../../collector/src/control/policy/verdict.ts';
import { endOf, podOf } from '../../collector/policy/support/plain.ts';
import { OUTSIDE, pick, plainPods, randomOf } from '../../collector/policy/support/random.ts';
import { anyPolicy } from '../../collector/policy/support/random_policies.ts';
import { address } from '../../collector/policy/support/world.ts';
import { builtTestProgram } from '../../native/build.ts';

const WORLDS = 150;
const SEED = 9_000_000;
const PORTS = [0, 1, 79, 80, 80, 81, 83, 84, 443, 444, 8080, 8081, 65_535];
const PROTOCOLS = [1, 6, 6, 6, 17, 132];
const ETHERNET = 14;
const QUESTION = 32;
const VERDICTS = ['NO_POLICY', 'ALLOWED', 'DENIED', 'AUDITED'];
const NODES = ['n1', 'n2'].map((name) => {
  return { name, labels: new Map([['node', name]]), addresses: [address(`192.168.0.${name.slice(1)}`)] };
});

interface Question {
  readonly cgroup: bigint;
  readonly address: Address;
  readonly direction: Direction;
  readonly protocol: number;
  readonly port: number;
}

describe("policies' tables in the kernel", () => {
  let object: BpfObject;
  let maps: PolicyMaps;
  before(() => {
    object = openObject(builtTestProgram('policy_decide.bpf.o'));
    object.load();
    maps = new PolicyMaps(object);
  });
  after(() => object?.close());

  function ask({ cgroup, address: other, direction, protocol, port }: Question): Buffer {
    const packet = Buffer.alloc(ETHERNET + QUESTION + POLICY_ANSWER.size);
    const asked = packet.subarray(ETHERNET);
    asked.writeBigUInt64LE(cgroup, 0);
    mappedPrefix(only(other)).bytes.copy(asked, 8);
    asked.writeUInt16LE(port, 24);
    asked.writeUInt8(protocol, 26);
    asked.writeUInt8(direction === 'egress' ? 1 : 0, 27);
    const { retval, data } = object.testRun('ask_policies', { data: packet });
    assert.equal(retval, 0);
    return data.subarray(ETHERNET + QUESTION);
  }

  const verdictIn = (answer: Buffer) => VERDICTS[answer.readUInt8(POLICY_ANSWER.policy_verdict)];
  const cgroupOf = (uid: string) => BigInt(1000 + Number(uid.slice(1)));

  it('without tables nothing is judged', () => {
    const answer = ask({ cgroup: 1000n, address: address('10.0.0.1'), direction: 'egress', protocol: 6, port: 80 });
    assert.equal(verdictIn(answer), 'NO_POLICY');
    assert.equal(answer.readBigUInt64LE(POLICY_ANSWER.identity), 0n);
  });

  it('say what the model says, set after set', () => {
    const told = new Map<string, number>();
    for (let world = 0; world < WORLDS; world += 1) {
      const random = randomOf(SEED + world);
      const plain = plainPods(random);
      const pods = plain.map(podOf);
      const read = Array.from({ length: 1 + random(5) }, (_, index) => readPolicy(anyPolicy(random, `p${index}`)));
      const policies = read.flatMap((one) => one.policies);
      const model = modelOf(policies, { mode: 'enforce', namespaces: new Map() });
      const { tables } = compile(model, { node: 'n1', nodes: NODES, pods });
      maps.write(tables as PolicyTables, (uid) => [{ id: cgroupOf(uid), level: 3 }]);
      maps.free();
      const ends: End[] = [
        ...plain.map((pod) => endOf({ pod, ip: pod.ip })),
        ...NODES.map((node) => ({ node, address: node.addresses[0] as Address })),
        ...OUTSIDE.map((ip) => ({ address: address(ip) })),
      ];
      const isOther = (a: End, b: End) => a.address.bits !== b.address.bits;
      for (const subject of ends.filter(({ pod }) => pod?.node === 'n1'))
        for (const other of ends.filter((one) => isOther(one, subject)))
          for (const direction of DIRECTIONS) {
            const [source, destination] = direction === 'egress' ? [subject, other] : [other, subject];
            // Ports of HTTP rules, which are of TCP, every other time.
            const any = { protocol: pick(random, PROTOCOLS), port: pick(random, PORTS) };
            const traffic = random(2) === 0 ? any : { protocol: 6, port: pick(random, [80, 443]) };
            const expected = verdictOf(model, direction, { source, destination, ...traffic });
            const cgroup = cgroupOf(subject.pod?.uid ?? '');
            const answer = ask({ cgroup, address: other.address, direction, ...traffic });
            const decision = (tables as PolicyTables).decisions[answer.readUInt32LE(POLICY_ANSWER.decision)];
            const actual = [verdictIn(answer), decision?.policy?.name, decision?.rule?.path];
            const context = `seed ${SEED + world} ${direction} ${JSON.stringify(traffic)}`;
            assert.deepEqual(actual, [expected.verdict, expected.policy?.name, expected.path], context);
            assert.equal(answer.readUInt32LE(POLICY_ANSWER.http_unit) !== 0, expected.http.length > 0, context);
            assert.equal(answer.readUInt32LE(POLICY_ANSWER.generation), maps.generation);
            assert.equal(answer.readUInt8(POLICY_ANSWER.policy_mode), ENUMS.policy_mode.enforce);
            const word = expected.http.length > 0 ? 'HTTP' : expected.verdict;
            told.set(word, (told.get(word) ?? 0) + 1);
          }
    }
    for (const word of ['ALLOWED', 'DENIED', 'NO_POLICY', 'HTTP'])
      assert.ok((told.get(word) ?? 0) > 10, `${word}: ${told.get(word)}`);
  });

  it('are taken up by who comes after, with what was left behind', () => {
    const tables = compile(modelOf([], { mode: 'enforce', namespaces: new Map() }), {
      ...{ node: 'n1', nodes: [], pods: plainPods(randomOf(3)).map(podOf) },
    }).tables as PolicyTables;
    const size = () => object.map('policy_addresses').entries().count;
    maps.write(tables, () => []);
    maps.free();
    const one = size();
    maps.write(tables, () => []);
    assert.equal(size(), 2 * one, 'the set before is not freed yet');
    const generation = maps.generation;
    maps = new PolicyMaps(object);
    assert.equal(maps.generation, generation);
    maps.free();
    assert.equal(size(), one);
    maps.write(tables, () => []);
    maps.free();
    assert.equal(size(), one, 'the set that was taken up is freed once it counts no more');
  });

  it('leave nothing behind but the set that counts', () => {
    const model = modelOf([], { mode: 'enforce', namespaces: new Map() });
    const { tables } = compile(model, { node: 'n1', nodes: [], pods: [] });
    maps.write(tables as PolicyTables, () => []);
    maps.free();
    const counts = ['policy_subjects', 'policy_addresses', 'policy_pairs', 'policy_ports'].map(
      (name) => object.map(name).entries().count,
    );
    assert.deepEqual(counts, [0, 2, 0, 0], 'all addresses of each family');
  });
});

describe("policies' tables that have no room", () => {
  it('leave those before in force', () => {
    const object = openObject(builtTestProgram('policy_decide.bpf.o'));
    object.setMaxEntries('policy_addresses', 5);
    object.load();
    const maps = new PolicyMaps(object);
    const tablesOf = (count: number) => {
      const pods = plainPods(randomOf(1)).slice(0, count).map(podOf);
      const model = modelOf([], { mode: 'enforce', namespaces: new Map() });
      return compile(model, { node: 'n1', nodes: [], pods }).tables as PolicyTables;
    };
    maps.write(tablesOf(1), () => []);
    assert.throws(() => maps.write(tablesOf(6), () => []), { code: 'FLOW_POLICY_MAP_WRITE' });
    assert.equal(maps.generation, 1);
    assert.equal(object.map('policy_addresses').entries().count, 3, 'what was written of it is gone');
    object.close();
  });
});
