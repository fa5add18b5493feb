/**
 * Manifests of any bytes: reading them never throws and never takes long, and what comes of it is whole: an object is in
 * use as some version of it was written and accepted, or not at all, and who follows holds exactly what is in use.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import { readDirectory } from '../../collector/src/control/manifests/directory.ts';
import { IDENTITY_KINDS, IdentityFollower } from '../../collector/src/control/manifests/identity.ts';
import { checkIdentity } from '../../collector/src/control/manifests/identity_schema.ts';
import { type Manifests, merge, NOTHING } from '../../collector/src/control/manifests/merge.ts';
import { Followers } from '../../collector/src/control/objects/followers.ts';
import { keyOf } from '../../collector/src/control/objects/source.ts';
import { openCluster } from '../collector/kubernetes/support/cluster.ts';
import { random } from '../support/abuser.ts';
import { temporaryFolder } from '../support/flowspan.ts';
import { mutated } from './support/mutate.ts';

const SEED = Number(process.env.FLOWSPAN_SEED ?? 20_261_122);
const ROUNDS = Number(process.env.FLOWSPAN_ROUNDS ?? 600);
const FILES = ['a.yaml', 'b.yaml', 'c.yml'];
/** Longest that a round may take, milliseconds, on a machine that is busy. */
const ROUND_MS = 5000;

/** Those that can be read are more, so that there is something in use to be held. */
const corpus = ['shop.yaml', 'shop.yaml', 'list.json', 'list.json', 'hostile.yaml'].map((name) =>
  readFileSync(new URL(`corpus/manifests/${name}`, import.meta.url)),
);

type Below = (most: number) => number;
/** What stands in manifests where something else should. */
const WORDS =
  '~ [] {} 0 -1 65536 1e9 .nan true "" None 10.0.0.300 10.1.2.3 ::1 web shop Web Pod Service List v1 v2 *labels'.split(
    ' ',
  );

function pristine(below: Below, inputs: readonly Buffer[]): Buffer {
  return inputs[below(inputs.length)] as Buffer;
}

/** One of the inputs with up to two words that are others, and sometimes a document less: mostly what can be parsed. */
function reworded(below: Below, inputs: readonly Buffer[]): string {
  const documents = pristine(below, inputs).toString().split('---\n');
  if (below(3) === 0) documents.splice(below(documents.length), 1);
  const words = documents.join('---\n').split(/(?<=[\s,:{}[\]])|(?=[\s,:{}[\]])/);
  for (let times = below(3); times > 0; times -= 1) {
    const at = below(words.length);
    if (/\w/.test(words[at] as string)) words[at] = WORDS[below(WORDS.length)] as string;
  }
  return words.join('');
}

test(`a directory of mutated files, ${ROUNDS} times changed`, async (t) => {
  const chance = random(SEED);
  const below = (most: number): number => Math.floor(chance() * most);
  const directory = join(temporaryFolder(), 'manifests');
  mkdirSync(directory);
  const { cluster, identity } = await openCluster();
  const followers = new Followers(pino({ level: 'silent' }));
  followers.follow(IDENTITY_KINDS, new IdentityFollower(cluster));
  let before: Manifests = NOTHING;
  let [taken, gone, refused, held] = [0, 0, 0, 0];
  for (let round = 0; round < ROUNDS; round += 1) {
    const path = join(directory, FILES[below(FILES.length)] as string);
    if (below(12) === 0) rmSync(path, { force: true });
    else writeFileSync(path, [pristine, mutated, reworded, reworded, reworded][below(5)]?.(below, corpus) ?? '');
    const beganMs = performance.now();
    const known = new Map([...before.files].map(([name, { digest }]) => [name, digest]));
    const read = await readDirectory(directory, below(3) === 0 ? new Map() : known);
    const after = merge(directory, before, read, (id, object) => followers.check(id, object));
    const say = `seed ${SEED}, round ${round}`;
    for (const { id, object } of after.gone) followers.delete(id, object);
    for (const { id, object } of after.taken) followers.take(id, object);
    assert.ok(performance.now() - beganMs < ROUND_MS, `${say}: took too long`);

    const written = new Map(
      [...after.files].flatMap(([name, { objects }]) =>
        (objects ?? []).map((said) => [`${name} ${keyOf(said.id)}`, said]),
      ),
    );
    for (const [key, { id, object, file }] of after.inUse) {
      assert.equal(keyOf(id), key, say);
      assert.equal(checkIdentity(id, object), undefined, `${say}: ${key} is in use and would not be accepted`);
      const now = written.get(`${file} ${key}`)?.object;
      const isLast = isDeepStrictEqual(before.inUse.get(key)?.object, object);
      assert.ok(
        isLast || isDeepStrictEqual(now, object),
        `${say}: ${key} is neither what is written nor what was in use`,
      );
      const condition = after.conditions.find((one) => keyOf(one) === key && one.file === file);
      assert.equal(condition?.accepted, isDeepStrictEqual(now, object), `${say}: ${key}`);
    }
    const inUse = (kind: string) => [...after.inUse.values()].filter(({ id }) => id.kind === kind).length;
    const { pods, services, endpointslices, nodes, namespaces } = cluster.counts();
    assert.deepEqual(
      { pods, services, endpointslices, nodes, namespaces },
      {
        ...{ pods: inUse('Pod'), services: inUse('Service'), endpointslices: inUse('EndpointSlice') },
        ...{ nodes: inUse('Node'), namespaces: inUse('Namespace') },
      },
      say,
    );
    assert.equal(cluster.unreadable, 0, `${say}: what was accepted could not be read`);
    taken += after.taken.length;
    gone += after.gone.length;
    refused += after.conditions.filter(({ accepted }) => !accepted).length;
    held += after.conditions.filter(({ reason }) => reason === 'LastGood').length;
    before = after;
  }
  identity.close();
  t.diagnostic(`${taken} taken, ${gone} gone, ${refused} refused, ${held} held`);
  for (const count of [taken, gone, refused, held]) assert.ok(count > ROUNDS / 20, 'it has met all of that');
});
