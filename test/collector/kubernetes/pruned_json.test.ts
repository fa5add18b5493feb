/** What is left of JSON before it is parsed: exactly what is wanted, and all that is read of the API server's objects. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  NODE_FIELDS,
  OWNED_FIELDS,
  POD_FIELDS,
  SERVICE_FIELDS,
  SLICE_FIELDS,
} from '../../../collector/src/control/kubernetes/fields.ts';
import {
  readNode,
  readOwned,
  readPod,
  readService,
  readSlice,
} from '../../../collector/src/control/kubernetes/objects.ts';
import { JsonPruner, type Kept, keptTogether } from '../../../collector/src/control/kubernetes/pruned_json.ts';
import { endpointSlice, namespace, node, pod, replicaSet, service } from '../../bench/kubernetes/objects.ts';
import { random } from '../../support/abuser.ts';

const UNREADABLE = { code: 'FLOW_KUBERNETES_UNREADABLE' };

/** The same, with the parser first. */
function left(value: unknown, kept: Kept): unknown {
  if (kept === true || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => (Array.isArray(one) ? one : left(one, kept)));
  const members = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    if (JSON.stringify(key).includes('\\')) return [[key, inner]];
    const name = Object.hasOwn(kept, key)
      ? key
      : Object.keys(kept).find((one) => one.endsWith('*') && key.startsWith(one.slice(0, -1)));
    return name === undefined ? [] : [[key, left(inner, kept[name] as Kept)]];
  });
  return Object.fromEntries(members);
}

const prune = (text: string, kept: Kept): string => new JsonPruner(kept).prune(Buffer.from(text)).toString();

describe('JSON that is pruned', () => {
  const KEYS = [
    'a',
    'ab',
    'abc',
    'b',
    '',
    '7',
    '__proto__',
    'constructor',
    'quo"te',
    'back\\slash',
    'tab\t',
    'ü',
    '{,',
  ];
  const TEXTS = ['', 'x', '"', '\\', '\\"', '{"a":1}', ']}', '\u2028', '\ud800', '💥', 'x'.repeat(100), '\\u0061'];

  /** Values, and what of them is wanted, from one seed. */
  function generator(seed: number) {
    const chance = random(seed);
    const below = (most: number): number => Math.floor(chance() * most);
    const oneOf = <T>(all: readonly T[]): T => all[below(all.length)] as T;
    const value = (depth: number): unknown => {
      const kind = below(depth > 4 ? 4 : 8);
      if (kind === 0) return oneOf([0, -1.5, 1e300, 123_456_789]);
      if (kind === 1) return oneOf([true, false, null]);
      if (kind < 4) return oneOf(TEXTS);
      if (kind === 4) return Array.from({ length: below(4) }, () => value(depth + 1));
      // Not by assignment: __proto__ is a key like any other here.
      return Object.fromEntries(Array.from({ length: below(6) }, () => [oneOf(KEYS), value(depth + 1)]));
    };
    const kept = (depth: number): Kept =>
      depth > 3 || below(3) === 0
        ? true
        : Object.fromEntries(
            Array.from({ length: below(5) }, () => [
              oneOf(['a', 'ab', 'a*', 'b', '7', 'ü', '{,', '__proto__']),
              kept(depth + 1),
            ]),
          );
    /** White space where JSON may have it. */
    const spaced = (text: string): string =>
      text.replaceAll(
        /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs,
        (part) => `${oneOf(['', ' ', '\n\t', '\r'])}${part}${oneOf(['', '  '])}`,
      );
    return { value, kept, spaced };
  }

  it('says the same as what the parser says of all of it', () => {
    let dropped = 0;
    for (let seed = 1; seed <= 3000; seed += 1) {
      const { value, kept, spaced } = generator(seed);
      const [whole, wanted] = [value(0), kept(0)];
      const text = spaced(JSON.stringify(whole));
      const pruned = prune(text, wanted);
      assert.equal(JSON.stringify(JSON.parse(pruned)), JSON.stringify(left(whole, wanted)), `seed ${seed}: ${text}`);
      if (wanted !== true && pruned.length < text.length) dropped += 1;
    }
    assert.ok(dropped > 500, `${dropped}`);
  });

  it('keeps a name that is written with escapes, and the last of several', () => {
    assert.equal(prune('{"n\\u0061me":{"x":1},"other":1}', { name: { y: true } }), '{"n\\u0061me":{"x":1}}');
    assert.equal(prune('{"a":1,"b":2,"a":[3]}', { a: true }), '{"a":1,"a":[3]}');
  });

  it('never makes whole what breaks off', () => {
    const { value, spaced } = generator(7);
    const text = spaced(JSON.stringify({ a: { b: value(0), c: ['x\\', { a: 'y' }] }, b: value(1), n: 12 }));
    for (let length = 0; length < text.length; length += 1) {
      const broken = text.slice(0, length);
      assert.throws(() => JSON.parse(prune(broken, { a: { b: true }, n: true })), broken);
    }
    for (const wrong of [
      '{"a":1,}',
      '{"a" 1}',
      '{,}',
      '[{"a":1},]',
      '{"a":1}x',
      '{"b"}',
      '{b:1}',
      '{"b":}',
      '{"b":1 "a":1}',
      '',
    ]) {
      assert.throws(() => prune(wrong, { a: true }), UNREADABLE, wrong);
    }
  });

  it('goes through what is deep and long at once', () => {
    const deep = `{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)},"b":1}`;
    assert.equal(prune(deep, { b: true }), '{"b":1}');
    assert.equal(prune(deep, { a: { x: true }, b: true }).length, deep.length);
    const long = JSON.stringify({ a: '\\"'.repeat(500_000), b: [1] });
    assert.equal(prune(long, { b: true }), '{"b":[1]}');
  });

  it('takes two wishes together', () => {
    assert.deepEqual(keptTogether({ a: { b: true }, c: true }, { a: { d: true }, c: { e: true }, f: true }), {
      ...{ a: { b: true, d: true }, c: true, f: true },
    });
    assert.equal(keptTogether(true, { a: true }), true);
  });
});

describe('what is read of objects', () => {
  /** Notes which members are asked for. */
  function watched(value: unknown, path: string, asked: Set<string>): unknown {
    if (typeof value !== 'object' || value === null) return value;
    return new Proxy(value, {
      getOwnPropertyDescriptor(target, key) {
        // To go over all annotations is not to read them.
        if (!Array.isArray(target) && !path.endsWith('.annotations')) asked.add(`${path}.${String(key)}`);
        return Reflect.getOwnPropertyDescriptor(target, key);
      },
      get(target, key) {
        const inner = Array.isArray(target) ? path : `${path}.${String(key)}`;
        asked.add(inner);
        return watched(Reflect.get(target, key), inner, asked);
      },
    });
  }
  const annotations = {
    ...{ 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.hash': 'y', other: 'z' },
    'resource.opentelemetry.io/service.name': 'front',
  };
  const mirror = pod(7, 10, 5) as { metadata: object };
  mirror.metadata = { ...mirror.metadata, annotations };
  const kinds = [
    {
      read: readPod,
      fields: POD_FIELDS,
      object: mirror,
      reads: '.status.containerStatuses.state.running.startedAt',
    },
    { read: readService, fields: SERVICE_FIELDS, object: service(3), reads: '.spec.ports.nodePort' },
    { read: readSlice, fields: SLICE_FIELDS, object: endpointSlice(3, 10, 5), reads: '.endpoints.addresses' },
    { read: readNode, fields: NODE_FIELDS, object: node(3), reads: '.status.addresses.address' },
    { read: readOwned, fields: OWNED_FIELDS, object: replicaSet(3), reads: '.metadata.ownerReferences.controller' },
    { read: readOwned, fields: OWNED_FIELDS, object: namespace(3), reads: '.metadata.uid' },
  ] as const;

  for (const { read, fields, object, reads } of kinds) {
    it(`is left in: ${reads}`, () => {
      const asked = new Set<string>();
      read(watched(object, '', asked));
      assert.ok(asked.has(reads), [...asked].join('\n'));
      for (const path of asked) {
        let kept: Kept | undefined = fields;
        for (const key of path.split('.').slice(1)) kept = kept === true ? true : kept?.[key];
        // Annotations and labels have dots in their names.
        const inner = /^\.metadata\.(?:annotations|labels)\./.exec(path)?.[0];
        if (inner !== undefined) {
          const metadata = (fields as { metadata: Record<string, Kept> }).metadata;
          const all = metadata[inner.split('.')[2] as string] as Kept;
          const name = path.slice(inner.length);
          kept = all === true ? true : (all[name] ?? all[`${name.slice(0, name.indexOf('/') + 1)}*`]);
        }
        assert.notEqual(kept, undefined, `${path} is read, but not kept`);
      }
      const pruned = JSON.parse(prune(JSON.stringify(object), fields)) as unknown;
      assert.deepEqual(read(pruned), read(object));
    });
  }

  it('is less than a third of a pod', () => {
    const text = JSON.stringify(pod(7, 10, 5));
    assert.ok(prune(text, POD_FIELDS).length < text.length / 3);
  });
});
