/** What is told of stored connections and requests is what the policies' model says, or is not known: never anything else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { End, Node } from '../../collector/src/control/policy/endpoints.ts';
import type { RuleOf } from '../../collector/src/control/policy/judge.ts';
import { type HttpRule, modelOf } from '../../collector/src/control/policy/model.ts';
import { readPolicy } from '../../collector/src/control/policy/read_policy.ts';
import { verdict } from '../../collector/src/control/policy/verdict.ts';
import { Ends } from '../../query-api/src/policy/ends.ts';
import { PolicyJudge } from '../../query-api/src/policy/judge.ts';
import { Knowledge } from '../../query-api/src/policy/knowledge.ts';
import { judgeRequest, type StoredRequest } from '../../query-api/src/policy/request_judge.ts';
import { podOf } from '../collector/policy/support/plain.ts';
import { OUTSIDE, type PlainPod, pick, plainPods, type Random, randomOf } from '../collector/policy/support/random.ts';
import { anyPolicy } from '../collector/policy/support/random_policies.ts';
import { address } from '../collector/policy/support/world.ts';

const WORLDS = 120;
const SEED = 7_300_000;
const NODES = ['n1', 'n2'].map((name): Node => {
  return {
    name,
    labels: new Map([['app', name === 'n1' ? '1' : '2']]),
    addresses: [address(`192.168.0.${name.slice(1)}`)],
  };
});
const PORTS = [79, 80, 80, 80, 81, 83, 443, 443, 8080];
const PROTOCOLS = [6, 6, 6, 17, 132];

/** The same world as objects, and as rows of the store. */
function objectsOf(pods: readonly PlainPod[]): object[] {
  const namespaces = new Map(pods.map(({ namespace, namespaceLabels }) => [namespace, namespaceLabels]));
  return [
    ...Array.from(namespaces, ([name, labels]) => ({ kind: 'Namespace', metadata: { name, labels } })),
    ...NODES.map(({ name, labels }) => ({ kind: 'Node', metadata: { name, labels: Object.fromEntries(labels) } })),
    ...pods.map(({ name, namespace, labels, node, ports }) => {
      const containers = [
        { ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, containerPort: port.port })) },
      ];
      return { kind: 'Pod', metadata: { name, namespace, labels, uid: name }, spec: { nodeName: node, containers } };
    }),
  ];
}

function rowsOf(pods: readonly PlainPod[]): Record<string, unknown>[] {
  const nodes = NODES.map(({ name }) => {
    const addresses = [`::ffff:192.168.0.${name.slice(1)}`];
    return {
      endpoint_id: name,
      from_ns: '0',
      kind: 'node',
      namespace: '',
      workload: name,
      name,
      node: '',
      pod_uid: '',
      service_account: '',
      labels: {},
      addresses,
    };
  });
  const own = pods.map(({ name, namespace, labels, node, ip }) => ({
    ...{ endpoint_id: name, from_ns: '0', kind: 'pod', namespace, workload: name, name, node, pod_uid: name },
    ...{ service_account: 'default', labels, addresses: [`::ffff:${ip}`] },
  }));
  return [...nodes, ...own];
}

/** An end as the model and as rows have it. */
interface Both {
  readonly end: End;
  readonly id: string;
  readonly address: string;
}

function endsOf(pods: readonly PlainPod[]): Both[] {
  const all = [
    ...pods.map(
      (pod): Both => ({
        end: { pod: podOf(pod), address: address(pod.ip) },
        id: pod.name,
        address: `::ffff:${pod.ip}`,
      }),
    ),
    ...NODES.map((node): Both => {
      const text = `192.168.0.${node.name.slice(1)}`;
      return { end: { node, address: address(text) }, id: node.name, address: `::ffff:${text}` };
    }),
    ...OUTSIDE.map(
      (text): Both => ({
        end: { address: address(text) },
        id: '0',
        address: text.includes(':') ? text : `::ffff:${text}`,
      }),
    ),
  ];
  return all.filter((one, index) => all.findIndex(({ address: other }) => other === one.address) === index);
}

function* cases(random: Random, ends: readonly Both[]) {
  for (const source of ends)
    for (const destination of ends)
      if (source !== destination)
        yield { source, destination, traffic: { protocol: pick(random, PROTOCOLS), port: pick(random, PORTS) } };
}

/** Judges random worlds. @param known which of the objects are told */
function replay(known: (object: object, random: Random) => boolean): Map<string, number> {
  const told = new Map<string, number>();
  for (let world = 0; world < WORLDS; world += 1) {
    const random = randomOf(SEED + world);
    const pods = plainPods(random);
    const policies = Array.from(
      { length: 1 + random(5) },
      (_, index) => readPolicy(anyPolicy(random, `p${index}`)).policies,
    );
    const model = modelOf(policies.flat(), { mode: 'enforce', namespaces: new Map() });
    const knowledge = new Knowledge(objectsOf(pods).filter((object) => known(object, random)));
    const judge = new PolicyJudge(model, knowledge);
    const rows = new Ends(rowsOf(pods), knowledge);
    for (const { source, destination, traffic } of cases(random, endsOf(pods))) {
      const at = ({ id, address: text }: Both) => rows.at(id, 0n, text);
      const { word, http } = judge.judge({ source: at(source), destination: at(destination) }, traffic);
      told.set(word, (told.get(word) ?? 0) + 1);
      if (word === 'unknown') continue;
      const expected = verdict(model, { source: source.end, destination: destination.end, ...traffic });
      const context = `seed ${SEED + world} ${source.id} ${source.address} -> ${destination.id} ${destination.address} ${JSON.stringify(traffic)}`;
      assert.equal(word, expected.verdict === 'DENIED' ? 'denied' : 'allowed', context);
      const wanted = word === 'denied' ? [] : expected.ingress.http;
      assert.deepEqual(
        (http ?? []).map(({ rule }) => rule),
        wanted.map(({ rule }) => rule),
        context,
      );
      if (http !== undefined) told.set('http', (told.get('http') ?? 0) + 1);
    }
  }
  return told;
}

describe('stored connections, judged', () => {
  it('as the model does where all objects are known', () => {
    const told = replay(() => true);
    assert.equal(told.get('unknown'), undefined, 'nothing is left open');
    for (const word of ['allowed', 'denied', 'http'])
      assert.ok((told.get(word) ?? 0) > 20, `${word} ${told.get(word)}`);
  });

  for (const hidden of ['Namespace', 'Pod', 'Node', 'any'])
    it(`as the model does or not at all where objects are not known: ${hidden}`, () => {
      const told = replay((object, random) => {
        const { kind } = object as { kind: string };
        return hidden === 'any' ? random(2) === 0 : kind !== hidden;
      });
      const unknown = told.get('unknown') ?? 0;
      const known = (told.get('allowed') ?? 0) + (told.get('denied') ?? 0);
      assert.ok(known > 1_000, `${known} known`);
      // no policy speaks of labels of nodes but ClusterNetworkPolicy
      assert.ok(unknown > (hidden === 'Node' ? -1 : 100), `${unknown} unknown`);
    });
});

describe('stored requests, judged', () => {
  const rulesOf = (...http: Partial<HttpRule>[]): RuleOf[] => {
    const whole = http.map((one) => ({ method: undefined, path: undefined, host: undefined, headers: [], ...one }));
    return [{ policy: {}, rule: { path: 'r', http: whole } } as unknown as RuleOf];
  };
  const request = (more: Partial<StoredRequest> = {}): StoredRequest => ({
    ...{ method: 'GET', host: 'shop', path: '/a', query: '', version: 11, isCut: false, ...more },
  });
  const X = [{ name: 'x-token', value: undefined }];
  const ROWS: readonly (readonly [string, RuleOf[], Partial<StoredRequest>, string])[] = [
    ['a rule that asks for nothing', rulesOf({}), {}, 'allowed'],
    ['all that is asked for', rulesOf({ method: 'GET|PUT', path: '/a', host: 'SHOP' }), {}, 'allowed'],
    ['another method', rulesOf({ method: 'PUT' }), {}, 'denied'],
    ['a part of a path is not the path', rulesOf({ path: '/' }), {}, 'denied'],
    ['any of several', rulesOf({ path: '/b' }, { path: '/a' }), {}, 'allowed'],
    ['the query is of the target', rulesOf({ path: '/a' }), { query: 'x=1' }, 'denied'],
    ['a header that nobody stored', rulesOf({ headers: X }), {}, 'unknown headers'],
    ['a header where the rest does not hold', rulesOf({ path: '/b', headers: X }), {}, 'denied'],
    ['a header besides a rule that allows', rulesOf({ headers: X }, {}), {}, 'allowed'],
    ['a hidden word that decides', rulesOf({ path: '/u/[0-9]+' }), { path: '/u/REDACTED' }, 'unknown redacted'],
    ['a hidden word that does not', rulesOf({ path: '/u/.*' }), { path: '/u/REDACTED' }, 'allowed'],
    ['a hidden word in vain', rulesOf({ path: '/v/.*' }), { path: '/u/REDACTED' }, 'denied'],
    ['a hidden word has no slash', rulesOf({ path: '/u/[^/]+/x' }), { path: '/u/REDACTED/x' }, 'unknown redacted'],
    ['a hidden word is in its segment', rulesOf({ path: '/u/x/y' }), { path: '/u/REDACTED' }, 'denied'],
    ['a hidden value', rulesOf({ path: '/a[?]x=.*' }), { query: 'x=REDACTED' }, 'allowed'],
    ['a hidden value that decides', rulesOf({ path: '/a[?]x=1' }), { query: 'x=REDACTED' }, 'unknown redacted'],
    ['what was cut', rulesOf({}), { isCut: true }, 'unknown cut'],
    ['a method that was not stored', rulesOf({}), { method: '_OTHER' }, 'unknown method'],
    ['a host that was not stored', rulesOf({ host: 'a' }), { host: '' }, 'unknown redacted'],
    ['two slashes', rulesOf({}), { path: '/a//b' }, 'denied unjudged'],
    ['dots', rulesOf({}), { path: '/a/../b' }, 'denied unjudged'],
    ['an escaped slash', rulesOf({}), { path: '/a%2Fb' }, 'denied unjudged'],
    ['an escape is asked for both ways', rulesOf({ path: '/a' }), { path: '/%61' }, 'denied'],
    ['an escape that both ways match', rulesOf({ path: '/.+' }), { path: '/%61' }, 'allowed'],
    ['another form of target', rulesOf({}), { path: '*' }, 'denied unjudged'],
  ];
  for (const [title, rules, more, expected] of ROWS)
    it(title, () => {
      const { word, reason } = judgeRequest(rules, request(more));
      assert.equal([word, reason].filter((one) => one !== undefined).join(' '), expected);
    });
});
