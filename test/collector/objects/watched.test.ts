/** Objects of the API server for those who act on them: asked for where they are needed, told whole, refused whole. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { parseAllDocuments } from 'yaml';
import { type DataplaneConfig, stepsWanted } from '../../../collector/src/config_dataplane.ts';
import { RESOURCES } from '../../../collector/src/control/kubernetes/cluster.ts';
import { KubernetesWatch, WATCHED } from '../../../collector/src/control/kubernetes/watch.ts';
import { KINDS, type Kind, type KindName, kindsFor, pathOf } from '../../../collector/src/control/objects/kinds.ts';
import type { ObjectFollower, ObjectId, Refusal } from '../../../collector/src/control/objects/source.ts';
import { titleOf } from '../../../collector/src/control/objects/source.ts';
import { WatchedObjects } from '../../../collector/src/control/objects/watched.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { openCluster } from '../kubernetes/support/cluster.ts';
import { serviceObject } from '../kubernetes/support/objects.ts';
import {
  type Answer,
  endOfList,
  kubeconfigFor,
  line,
  refuse,
  type StandIn,
  startStandIn,
  watch,
} from '../kubernetes/support/stand_in.ts';

const log = pino({ level: 'silent' });
const CILIUM = '/apis/cilium.io/v2/ciliumnetworkpolicies';
const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const SERVICES = '/api/v1/services';
/** The stand-in is below a path. */
const PREFIX = '/prefix';

/** Notes what it is told; a spec that says so is refused. */
class Notes implements ObjectFollower {
  readonly told: string[] = [];
  readonly objects = new Map<string, unknown>();
  check(_: ObjectId, object: unknown): Refusal | undefined {
    const { spec } = object as { spec?: { bad?: boolean } };
    return spec?.bad === true ? { reason: 'Bad', message: 'spec.bad' } : undefined;
  }
  take(id: ObjectId, object: unknown): void {
    this.told.push(`take ${titleOf(id)}`);
    this.objects.set(titleOf(id), object);
  }
  delete(id: ObjectId): void {
    this.told.push(`delete ${titleOf(id)}`);
  }
  settled(): void {
    this.told.push('settled');
  }
}

const policy = (name: string, spec: object = {}) => ({
  metadata: { namespace: 'shop', name, resourceVersion: '5' },
  spec,
});

describe('objects of the API server', () => {
  let server: StandIn;
  before(async () => {
    server = await startStandIn();
  });
  after(() => server.stop());
  const open: (() => void)[] = [];
  afterEach(() => {
    for (const close of open.splice(0)) close();
  });

  /** Watches what the steps need; each path is answered by its answers in turn, the last of them again, else by nothing. */
  async function watching(
    steps: Parameters<typeof kindsFor>[0],
    kinds: readonly KindName[],
    answers: Readonly<Record<string, Answer[]>> = {},
  ) {
    const left = new Map(Object.entries(answers).map(([path, all]) => [PREFIX + path, [...all]]));
    server.script((response, asked) => {
      const own = left.get(asked.url.pathname) ?? [watch(endOfList(1))];
      (own.length > 1 ? own.shift() : own[0])?.(response, asked);
    });
    const objects = new WatchedObjects(kindsFor(steps), log);
    const notes = new Notes();
    objects.follow(kinds, notes);
    const { cluster, identity } = await openCluster();
    const timing = { absentAgainMs: 300, backoff: { firstMs: 20, mostMs: 50, resetMs: 60_000 } };
    const options = {
      kubeconfig: kubeconfigFor(server.url),
      context: '',
      version: 'test',
      log,
      timing,
      patienceMs: 5000,
    };
    const feed = new KubernetesWatch({ ...options, objects });
    await feed.start(cluster);
    open.push(() => {
      feed.close();
      identity.close();
      server.cut();
    });
    const paths = (): string[] => [
      ...new Set(server.asked.map(({ url: { pathname } }) => pathname.slice(PREFIX.length))),
    ];
    return { objects, notes, cluster, feed, paths };
  }

  it('are asked for only as far as a step needs them', async () => {
    const identity = RESOURCES.map((resource) => WATCHED[resource].path).toSorted();
    const alone = await watching([], []);
    assert.deepEqual(alone.paths().toSorted(), identity);
    const balancing = await watching(['load_balancing'], []);
    assert.deepEqual(balancing.paths().toSorted(), identity);
    const policies = await watching(['policy'], []);
    const more = KINDS.filter((kind: Kind) => !kind.isIdentity).map(pathOf);
    await eventually('policies to be asked for', () => policies.paths().length === identity.length + more.length);
    assert.deepEqual(policies.paths().toSorted(), [...identity, ...more].toSorted());
  });

  it('are told when all of every kind is known, and then change by change', async () => {
    const first = watch(line('ADDED', policy('a')), line('ADDED', policy('b', { bad: true })), endOfList(7));
    const { notes, objects } = await watching(['policy'], ['NetworkPolicy', 'Namespace'], {
      [POLICIES]: [first],
    });
    await eventually('all to be settled', () => notes.told.includes('settled'));
    assert.deepEqual(notes.told, ['take NetworkPolicy shop/a', 'settled']);
    assert.deepEqual(
      objects.conditions().map((one) => `${titleOf(one)} ${one.accepted} ${one.reason}: ${one.message}`),
      ['NetworkPolicy shop/b false Bad: spec.bad', 'NetworkPolicy shop/a true Accepted: '],
    );
  });

  it('stay as they were accepted last where a new version is refused, and go where they are gone', async () => {
    const first = watch(
      ...[line('ADDED', policy('a', { v: 1 })), line('ADDED', policy('b')), endOfList(7)],
      ...[line('MODIFIED', policy('a', { bad: true })), line('DELETED', policy('b'))],
    );
    const { notes, objects } = await watching(['policy'], ['NetworkPolicy'], { [POLICIES]: [first] });
    await eventually('the deletion', () => notes.told.includes('delete NetworkPolicy shop/b'));
    assert.deepEqual(notes.objects.get('NetworkPolicy shop/a'), policy('a', { v: 1 }));
    assert.deepEqual(
      objects.conditions().map(({ reason, message }) => `${reason}: ${message}`),
      ['Bad: spec.bad; its last version that was accepted stays in use'],
    );
  });

  it('go where a new list does not have them', async () => {
    const first: Answer = (response) =>
      response.end(line('ADDED', policy('a')) + line('ADDED', policy('b')) + endOfList(7));
    const second = watch(line('ADDED', policy('b')), endOfList(9));
    const { notes } = await watching(['policy'], ['NetworkPolicy'], {
      [POLICIES]: [first, refuse(410, 'Expired'), second],
    });
    await eventually('the deletion', () => notes.told.includes('delete NetworkPolicy shop/a'));
    assert.ok(!notes.told.includes('delete NetworkPolicy shop/b'));
  });

  it('may be of a kind that the server does not have: no error, and none of it until it does', async () => {
    const answers = {
      [CILIUM]: [refuse(404, 'NotFound'), refuse(404, 'NotFound'), watch(line('ADDED', policy('c')), endOfList(7))],
    };
    const { notes, objects, feed } = await watching(['policy'], ['CiliumNetworkPolicy'], answers);
    await eventually('the first settlement', () => notes.told.includes('settled'));
    assert.deepEqual(notes.told, ['settled'], 'there is none of it');
    const [condition] = objects.conditions();
    assert.deepEqual(
      [condition?.kind, condition?.accepted, condition?.reason],
      ['CiliumNetworkPolicy', true, 'NotServed'],
    );
    assert.equal(feed.synced, true, 'identity does not wait for it');
    await eventually('the object', () => notes.told.includes('take CiliumNetworkPolicy shop/c'));
    const times = server.asked.filter(({ url }) => url.pathname === PREFIX + CILIUM).map(({ atMs }) => atMs);
    assert.equal(times.length, 3, 'it is asked for as seldom as it is said');
    for (const [at, time] of times.slice(1).entries()) assert.ok(time - (times[at] as number) >= 300);
    assert.deepEqual(
      objects.conditions().map(({ reason }) => reason),
      ['Accepted'],
    );
  });

  it('are whole for those who act on them, and still name services', async () => {
    const service = serviceObject({ name: 'web', addresses: ['10.0.0.1'], ports: [{ port: 80, targetPort: 8080 }] });
    const { metadata, spec: plain } = service as { metadata: object; spec: object };
    const whole = {
      metadata: { ...metadata, resourceVersion: '5' },
      spec: { ...plain, sessionAffinity: 'ClientIP' },
    };
    const answers = { [SERVICES]: [watch(line('ADDED', whole), endOfList(7))] };
    const { notes, cluster } = await watching(['load_balancing'], ['Service'], answers);
    await eventually('the service', () => notes.told.includes('settled'));
    const { spec } = notes.objects.get('Service shop/web') as { spec: { sessionAffinity: string; ports: object[] } };
    assert.deepEqual([spec.sessionAffinity, spec.ports], ['ClientIP', [{ port: 80, targetPort: 8080 }]]);
    assert.equal(cluster.counts().services, 1);
  });

  it('of a kind on which nobody acts have no effect, and say so', async () => {
    const answers = { [POLICIES]: [watch(line('ADDED', policy('a')), endOfList(7))] };
    const { objects } = await watching(['policy'], [], answers);
    const [condition] = await eventually(
      'the condition',
      () => objects.conditions().length > 0 && objects.conditions(),
    );
    assert.deepEqual([condition?.accepted, condition?.reason], [false, 'NotUsed']);
  });
});

describe('the steps of the data plane', () => {
  const config = (modes: Partial<DataplaneConfig>): DataplaneConfig => ({
    ...{ load_balancing: 'observe', policy: 'observe', redirect: 'observe', namespaces: {}, refusal: 'forbidden' },
    ...modes,
  });

  it('need their objects as soon as one namespace goes further than observing', () => {
    assert.deepEqual(stepsWanted(config({})), []);
    assert.deepEqual(stepsWanted(config({ namespaces: { shop: { policy: 'audit' } } })), ['policy']);
    assert.deepEqual(stepsWanted(config({ redirect: 'enforce', namespaces: { shop: { redirect: 'observe' } } })), [
      'redirect',
    ]);
  });

  it('have rights of their own: deploy/rbac/dataplane.yaml is what all of them need, and nothing more', () => {
    const file = readFileSync(new URL('../../../deploy/rbac/dataplane.yaml', import.meta.url), 'utf8');
    const documents = parseAllDocuments(file).map((document) => document.toJS() as Record<string, unknown>);
    assert.deepEqual(
      documents.map(({ kind }) => kind),
      ['ClusterRole', 'ClusterRoleBinding'],
    );
    const { rules } = documents[0] as { rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[] };
    const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
      ),
    );
    const wanted = KINDS.filter((kind: Kind) => !kind.isIdentity).flatMap(({ group, plural }) =>
      ['list', 'watch'].map((verb) => `${verb} ${group}/${plural}`),
    );
    assert.deepEqual(rights.toSorted(), wanted.toSorted());
    const { roleRef, subjects } = documents[1] as { roleRef: { name: string }; subjects: { name: string }[] };
    assert.equal(roleRef.name, (documents[0] as { metadata: { name: string } }).metadata.name);
    assert.equal(subjects[0]?.name, 'flowspan-collector');
  });
});
