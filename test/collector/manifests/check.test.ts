/** What is said of a directory without a collector, and how it is read: in a thread that cannot take more than it may. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDirectory, signatureOf } from '../../../collector/src/control/manifests/directory.ts';
import { answer, EXIT } from '../../../collector/src/control/manifests/main.ts';
import { readInThread } from '../../../collector/src/control/manifests/reader.ts';
import { directoryOf } from './support/directory.ts';

const NAMESPACE = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n';

describe('the thread that reads', () => {
  const reasonOf = async (path: string, limits: { ms?: number; mib?: number }, signal?: AbortSignal) =>
    (await readInThread(path, new Map(), signal, limits)).refusal?.reason;
  const large = directoryOf({ 'a.yaml': `a: [${'b,'.repeat(60_000)}]`, 'b.json': `[${'{},'.repeat(400_000)}{}]` });

  it('says what reading says, and leaves out what is known', async () => {
    const path = directoryOf({ 'a.yaml': NAMESPACE });
    const read = await readInThread(path, new Map());
    assert.deepEqual(read, await readDirectory(path, new Map()));
    const [file] = read.files;
    assert.deepEqual((await readInThread(path, new Map([['a.yaml', file?.digest ?? '']]))).files, [
      { name: 'a.yaml', digest: file?.digest },
    ]);
  });

  it('ends where it takes too long, or too much memory, or nobody waits any more', async () => {
    assert.equal(await reasonOf(large, { ms: 200 }), 'TooSlow');
    assert.equal(await reasonOf(large, { mib: 8 }), 'TooLarge');
    assert.equal(await reasonOf(large, {}, AbortSignal.abort()), 'TooSlow');
    assert.equal(await reasonOf(large, {}), undefined);
    const { signature } = await readInThread(large, new Map(), undefined, { ms: 1 });
    assert.equal(signature, await signatureOf(large), 'it is not read again before it is another');
  });
});

describe('flowspan manifests check', () => {
  it('says how each object stands, for people and for programs', async () => {
    const path = directoryOf({ 'a.yaml': NAMESPACE, 'b.yaml': 'a: [' });
    const text = await answer(['check', path]);
    assert.equal(text.code, EXIT.refused);
    assert.match(
      text.out,
      /^REFUSED {3}b\.yaml: InvalidYaml: .*; nothing is taken from it\naccepted {2}a\.yaml: Namespace shop\n1 accepted, 1 refused\n$/,
    );
    const json = await answer(['check', path, '-o', 'json']);
    const { conditions } = JSON.parse(json.out) as { conditions: unknown[] };
    assert.equal(json.code, EXIT.refused);
    const shop = { kind: 'Namespace', namespace: '', name: 'shop', file: 'a.yaml' };
    assert.deepEqual(conditions[1], { ...shop, accepted: true, reason: 'Accepted', message: '' });
  });

  it('reads services as load balancing does', async () => {
    const of = (affinity: string) =>
      `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}], sessionAffinity: ${affinity}}`;
    assert.equal((await answer(['check', directoryOf({ 'a.yaml': of('ClientIP') })])).code, EXIT.accepted);
    const { code, out } = await answer(['check', directoryOf({ 'a.yaml': of('Sticky') })]);
    assert.equal(code, EXIT.refused);
    assert.match(out, /^REFUSED {3}a\.yaml: Service shop\/web: Malformed: .*spec\.sessionAffinity/);
  });

  it('reads policies as they are enforced', async () => {
    const of = (path: string) =>
      `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  endpointSelector: {}\n  ingress:\n  - toPorts:\n    - ports: [{port: "80", protocol: TCP}]\n      rules: {http: [{path: "${path}"}]}`;
    assert.equal((await answer(['check', directoryOf({ 'a.yaml': of('/api/.*') })])).code, EXIT.accepted);
    const { code, out } = await answer(['check', directoryOf({ 'a.yaml': of('/api/(?=x)') })]);
    assert.equal(code, EXIT.refused);
    assert.match(out, /^REFUSED {3}a\.yaml: CiliumNetworkPolicy shop\/web: Pattern\w+: /);
  });

  it('ends with a code that scripts can go by', async () => {
    assert.equal((await answer(['check', directoryOf({ 'a.yaml': NAMESPACE })])).code, EXIT.accepted);
    assert.equal((await answer(['check', '/nonexistent'])).code, EXIT.unreadable);
    for (const argv of [[], ['check'], ['look', '/'], ['check', '/', '/'], ['check', '/', '-o', 'xml'], ['--bogus']]) {
      const { code, err } = await answer(argv);
      assert.deepEqual([code, err.startsWith('FLOW_CLI_USAGE: ')], [EXIT.usage, true], argv.join(' '));
    }
    assert.match((await answer(['--help'])).out, /^Usage: flowspan manifests check DIR/);
  });
});
