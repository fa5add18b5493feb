/** What pods and namespaces may ask of the redirect, and what is refused with a reason. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isNothing, readSettings, wordsOf } from '../../../collector/src/control/redirect/settings.ts';

const LABEL = 'flowspan.io/redirect';
const PROXY = 'flowspan.io/proxy';
const PORTS = 'flowspan.io/proxy-ports';

type Words = Readonly<Record<string, unknown>>;
const words = (labels: Words = {}, annotations: Words = {}) => wordsOf({ metadata: { labels, annotations } });
const NOTHING = words();

function settings(pod: ReturnType<typeof words>, namespace = NOTHING) {
  const read = readSettings(pod, namespace);
  assert.ok('settings' in read, JSON.stringify(read));
  return read.settings;
}

function refusal(annotations: Words, labels: Words = {}): string {
  const read = readSettings(words(labels, annotations), NOTHING);
  assert.ok('refusal' in read, JSON.stringify(read));
  assert.equal(read.refusal.reason, 'InvalidRedirect');
  return read.refusal.message;
}

describe('what is asked of the redirect', () => {
  it('is nothing where nothing is said', () => {
    for (const object of [{}, null, { metadata: null }, { metadata: { labels: 7, annotations: [] } }])
      assert.ok(isNothing(settings(wordsOf(object))));
    assert.ok(isNothing(settings(words({ [LABEL]: 'none' }, { [PROXY]: 'none' }))));
  });

  for (const [label, sockmap, peer] of [
    ['sockmap', true, false],
    ['peer', false, true],
    ['both', true, true],
    ['none', false, false],
  ] as const)
    it(`is by label: ${label}`, () => {
      assert.deepEqual(settings(words({ [LABEL]: label })), { sockmap, peer, proxy: undefined });
      assert.deepEqual(settings(NOTHING, words({ [LABEL]: label })), { sockmap, peer, proxy: undefined });
    });

  it('is what the pod says, before what its namespace says', () => {
    const namespace = words({ [LABEL]: 'both' }, { [PROXY]: '127.0.0.1:15001', [PORTS]: '80' });
    assert.deepEqual(settings(words({ [LABEL]: 'none' }, { [PROXY]: 'none' }), namespace), {
      ...{ sockmap: false, peer: false, proxy: undefined },
    });
    assert.deepEqual(settings(words({}, { [PORTS]: '81' }), namespace).proxy?.ports, [81]);
  });

  it('is a proxy for ports', () => {
    const proxy = (address: string, ports = '80') => settings(words({}, { [PROXY]: address, [PORTS]: ports })).proxy;
    assert.deepEqual(proxy('127.0.0.1:15001', '8080, 80,80'), {
      ...{ ipv4: '127.0.0.1', ipv6: undefined, port: 15_001, ports: [80, 8080] },
    });
    assert.deepEqual(proxy('[::1]:15001'), { ipv4: undefined, ipv6: '::1', port: 15_001, ports: [80] });
    assert.deepEqual(proxy('[fd00::1]:1,10.0.0.1:1'), { ipv4: '10.0.0.1', ipv6: 'fd00::1', port: 1, ports: [80] });
  });

  it('is refused where it is malformed', () => {
    assert.match(refusal({}, { [LABEL]: 'sockets' }), /"sockets" is none of sockmap, peer, both, none/);
    for (const address of [
      '',
      ':1',
      '127.0.0.1',
      '127.0.0.1:',
      'envoy:15001',
      '::1:15001',
      '[::1]',
      '[fe80::1%2]:1',
      '[127.0.0.1]:1',
    ])
      assert.match(refusal({ [PROXY]: address, [PORTS]: '80' }), /is not ADDRESS:PORT|is no port/, address);
    assert.match(refusal({ [PROXY]: '0.0.0.0:15001', [PORTS]: '80' }), /no address to connect to/);
    assert.match(refusal({ [PROXY]: '[::]:15001', [PORTS]: '80' }), /no address to connect to/);
    assert.match(refusal({ [PROXY]: '127.0.0.1:1,127.0.0.2:1', [PORTS]: '80' }), /two addresses of one family/);
    assert.match(refusal({ [PROXY]: '127.0.0.1:1,[::1]:2', [PORTS]: '80' }), /different ports/);
    assert.match(refusal({ [PROXY]: '127.0.0.1:1' }), /is given no ports/);
    assert.match(refusal({ [PORTS]: '80' }), /has no proxy/);
    for (const port of ['', '0', '080', '65536', '-1', '1e3', '80-90', '80,'])
      assert.match(refusal({ [PROXY]: '127.0.0.1:1', [PORTS]: port }), /is no port/, port);
    const many = Array.from({ length: 65 }, (_, i) => i + 1).join();
    assert.match(refusal({ [PROXY]: '127.0.0.1:1', [PORTS]: many }), /65 ports, 64 at most/);
  });
});
