/** Lists and watches are found in their bytes, wherever these are cut, and whatever they hold. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Backoff } from '../../../collector/src/control/kubernetes/backoff.ts';
import { apiFailure } from '../../../collector/src/control/kubernetes/failure.ts';
import { ListSplitter } from '../../../collector/src/control/kubernetes/list_stream.ts';
import { JsonPruner } from '../../../collector/src/control/kubernetes/pruned_json.ts';
import { LineSplitter, objectOfHead, watchEvent } from '../../../collector/src/control/kubernetes/watch_lines.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { random } from '../../support/abuser.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const UNREADABLE = { code: 'FLOW_KUBERNETES_UNREADABLE' };

const WHOLE = new JsonPruner(true);
const read = (line: Buffer) => watchEvent(line, WHOLE);

/** Cuts bytes into pieces of the given length. */
const cut = (bytes: Buffer, length: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / length) }, (_, at) => bytes.subarray(at * length, (at + 1) * length));

/** What a splitter finds in a text, cut into pieces of the given length. */
function split(text: string, pieceBytes: number, mostBytes = 1000) {
  const items: unknown[] = [];
  const tooLong: number[] = [];
  const splitter = new ListSplitter(
    { item: (bytes) => items.push(JSON.parse(bytes.toString())), tooLong: (length) => tooLong.push(length) },
    mostBytes,
  );
  for (const piece of cut(Buffer.from(text), pieceBytes)) splitter.push(piece);
  return { items, tooLong, metadata: splitter.finish() };
}

/** Items with everything that could be taken for structure. */
const ITEMS = [
  {},
  { metadata: { name: 'a', annotations: { 'x"y': '}],{"items":[{}]', '\\': '\\\\"' } } },
  { items: [{ items: [1, 2, [3]] }], text: 'äöü € 𝄞 \u0000', number: -1.5e-7, none: null },
  { metadata: { name: 'z', labels: { items: 'items', continue: 'x' } } },
];
const METADATA = { resourceVersion: '17', continue: 'eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ' };

describe('a list in its bytes', () => {
  const list = { kind: 'PodList', apiVersion: 'v1', metadata: METADATA, items: ITEMS };

  it('is the same however it is cut, written and ordered', () => {
    const { items, metadata, ...rest } = list;
    const texts = [
      JSON.stringify(list),
      JSON.stringify(list, undefined, 2),
      JSON.stringify({ items, ...rest, metadata }),
      `\n ${JSON.stringify({ metadata, remaining: { items: [{ not: 'an item' }], metadata: { no: 1 } }, items })}\n`,
    ];
    for (const text of texts) {
      for (const length of [1, 2, 3, 7, 64, 10_000]) {
        assert.deepEqual(split(text, length), { items: ITEMS, tooLong: [], metadata: METADATA }, `${length}: ${text}`);
      }
    }
  });

  it('may be empty', () => {
    for (const items of [[], null]) {
      const { tooLong, ...found } = split(JSON.stringify({ metadata: { resourceVersion: '1' }, items }), 5);
      assert.deepEqual(found, { items: [], metadata: { resourceVersion: '1' } });
    }
  });

  it('loses an item that is too long, and that one only', () => {
    const items = [{ a: 1 }, { long: 'x'.repeat(2000) }, { b: 2 }];
    for (const length of [1, 100, 10_000]) {
      const found = split(JSON.stringify({ metadata: METADATA, items }), length);
      assert.deepEqual(found, { items: [{ a: 1 }, { b: 2 }], tooLong: [2011], metadata: METADATA });
    }
  });

  it('does not hold an item that is too long', async () => {
    let told = 0;
    const splitter = new ListSplitter(
      {
        item: () => assert.fail(),
        tooLong: (length) => {
          told = length;
        },
      },
      1000,
    );
    splitter.push(Buffer.from('{"metadata":{},"items":[{"a":"'));
    for (let piece = 0; piece < 1000; piece++) splitter.push(Buffer.alloc(100_000, 'x'));
    await eventually('its bytes to be freed', () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers < 50_000_000;
    });
    splitter.push(Buffer.from('"}]}'));
    splitter.finish();
    assert.equal(told, 100_000_008);
  });

  it('is refused if it is cut off, torn or something else', () => {
    const text = JSON.stringify(list);
    for (let end = 0; end < text.length; end += 11) assert.throws(() => split(text.slice(0, end), 50), UNREADABLE);
    const others = [
      '<html>{}</html>',
      '[]',
      '"x"',
      '{"items":[1]}',
      '{"items":[{}x{}]}',
      '{"items":[[]]}',
      '{}{}',
      ']',
      '{}',
    ];
    for (const other of others) assert.throws(() => split(other, 3), UNREADABLE, other);
    assert.throws(() => split(`{"metadata":{"continue":"${'x'.repeat(70_000)}"},"items":[]}`, 1000), UNREADABLE);
  });

  it('never throws anything else, whatever comes', () => {
    const chance = random(7);
    const text = Buffer.from(JSON.stringify(list));
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const torn = Buffer.from(text);
      for (let hit = 0; hit < 3; hit++) torn[Math.floor(chance() * torn.length)] = Math.floor(chance() * 128);
      const splitter = new ListSplitter({ item: () => {}, tooLong: () => {} }, 1000);
      try {
        for (const piece of cut(torn, 1 + Math.floor(chance() * 40))) splitter.push(piece);
        splitter.finish();
      } catch (error) {
        refused += 1;
        assert.equal((error as { code?: string }).code, UNREADABLE.code);
      }
    }
    assert.ok(refused > 0);
  });
});

describe('a watch in its bytes', () => {
  const lines = (chunks: readonly Buffer[], mostBytes: number) => {
    const found: string[] = [];
    const tooLong: [string, number][] = [];
    const splitter = new LineSplitter(
      {
        line: (bytes) => found.push(bytes.toString()),
        tooLong: (head, length) => tooLong.push([head.toString(), length]),
      },
      mostBytes,
    );
    for (const chunk of chunks) splitter.push(chunk);
    return { found, tooLong };
  };

  it('is the same however it is cut', () => {
    const text = Buffer.from('one\n\ntwo €\nthree\nnot yet');
    for (let length = 1; length <= text.length; length++) {
      assert.deepEqual(lines(cut(text, length), 10_000), { found: ['one', 'two €', 'three'], tooLong: [] });
    }
  });

  it('loses a line that is too long but for its head, and that one only', () => {
    const text = Buffer.from(`a\n${'0123456789'.repeat(1000)}\nb\n${'x'.repeat(5000)}\n${'y'.repeat(5001)}\nc\n`);
    for (const length of [1, 999, 5000, 100_000]) {
      const { found, tooLong } = lines(cut(text, length), 5000);
      assert.deepEqual(found, ['a', 'b', 'x'.repeat(5000), 'c']);
      assert.deepEqual(tooLong, [
        ['0123456789'.repeat(410).slice(0, 4096), 10_000],
        ['y'.repeat(4096), 5001],
      ]);
    }
  });

  it('tells from the head whose event was too long', () => {
    const metadata = {
      name: 'web-1',
      generateName: 'web-',
      namespace: 'shop',
      uid: 'u-1',
      annotations: { a: 'x'.repeat(5000) },
    };
    const head = (meta: object) =>
      Buffer.from(
        JSON.stringify({ type: 'MODIFIED', object: { kind: 'Pod', apiVersion: 'v1', metadata: meta } }),
      ).subarray(0, 4096);
    assert.deepEqual(objectOfHead(head(metadata)), { metadata: { name: 'web-1', namespace: 'shop', uid: 'u-1' } });
    const { namespace, generateName, ...node } = metadata;
    assert.deepEqual(objectOfHead(head(node)), { metadata: { name: 'web-1', namespace: '', uid: 'u-1' } });
    assert.equal(objectOfHead(head({ ownerReferences: 'x'.repeat(5000), ...metadata })), undefined);
  });

  it('is refused where a line is no event', () => {
    const others = [
      '',
      'x',
      '1',
      'null',
      '[]',
      '{}',
      '{"type":"ADDED"}',
      '{"type":"ADDED","object":null}',
      '{"type":"NEW","object":{}}',
    ];
    for (const other of others) assert.throws(() => read(Buffer.from(other)), UNREADABLE, other);
    assert.equal(read(Buffer.from('{"type":"DELETED","object":{}}')).type, 'DELETED');
  });

  it('pollutes nothing', () => {
    const event = read(
      Buffer.from(
        '{"type":"ADDED","object":{"__proto__":{"polluted":1},"metadata":{"labels":{"__proto__":"x","constructor":"y"}}}}',
      ),
    );
    assert.equal(Object.getPrototypeOf(event.object), Object.prototype);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
    assert.throws(() => read(Buffer.from('{"__proto__":{"type":"ADDED","object":{}}}')), UNREADABLE);
  });
});

describe('waiting after a failure', () => {
  it('doubles, is spread, and begins anew after a quiet time', () => {
    const waits = (chance: number): number[] => {
      const backoff = new Backoff(undefined, () => chance);
      return [0, 1, 2, 3, 4, 5, 6].map(() => backoff.next(0));
    };
    assert.deepEqual(waits(0), [800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
    assert.deepEqual(waits(0.5), [1200, 2400, 4800, 9600, 19_200, 38_400, 45_000]);
    const backoff = new Backoff(undefined, () => 0);
    assert.deepEqual([backoff.next(0), backoff.next(800), backoff.next(100_000)], [800, 1600, 3200]);
    assert.equal(backoff.next(100_000 + 3200 + 120_001), 800);
  });

  it('is never shorter than the server asks, and never longer than ten minutes', () => {
    assert.equal(new Backoff(undefined, () => 0).next(0, 17_000), 17_000);
    assert.equal(new Backoff(undefined, () => 0.999).next(0, 1e12) < 600_000, true);
  });

  it('is what the answer says', () => {
    const status = { code: 429, reason: 'TooManyRequests', message: 'slow down', details: { retryAfterSeconds: 3 } };
    assert.equal(apiFailure('/x', status, 429, '7').retryAfterMs, 7000);
    assert.equal(apiFailure('/x', status, 200).retryAfterMs, 3000);
    assert.equal(apiFailure('/x', status, 200).status, 429);
    for (const after of ['-1', 'soon', 'Infinity'])
      assert.equal(apiFailure('/x', undefined, 503, after).retryAfterMs, 0);
    const tooLarge = {
      code: 504,
      reason: 'Timeout',
      details: { causes: [null, { reason: 'ResourceVersionTooLarge' }] },
    };
    assert.equal(apiFailure('/x', tooLarge, 200).gone, true);
    assert.equal(apiFailure('/x', { code: 504, reason: 'Timeout' }, 504).gone, false);
    for (const odd of [null, 1, 'x', [], { details: 1 }, { details: { causes: {} } }])
      assert.equal(apiFailure('/x', odd, 500).status, 500);
  });
});
