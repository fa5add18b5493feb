/** `flowspan lb explain` as it is run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { service, slice } from '../bpf/services/objects.ts';

const BACKENDS = Array.from({ length: 7 }, (_, at) => ({ address: `10.0.0.${at + 4}`, nodeName: 'node-2' }));
const OBJECTS = [
  service('web', ['10.96.0.10', 'fd00::10']),
  slice('web', 8080, BACKENDS),
  service('local', ['10.96.0.11'], { internalTrafficPolicy: 'Local' }),
  slice('local', 8080, BACKENDS),
];

describe('flowspan lb explain', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'fs-lb-'));
    writeFileSync(join(folder, 'objects.json'), JSON.stringify({ kind: 'List', items: OBJECTS }));
  });
  after(() => rmSync(folder, { recursive: true }));

  const flowspan = (...args: string[]) => {
    const cli = join(import.meta.dirname, '../../query-api/cli/flowspan.ts');
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'lb', ...args], { encoding: 'utf8' });
    return { status, stdout, stderr };
  };

  it('shows the table, and what would move', () => {
    const { status, stdout } = flowspan(
      'explain',
      'shop/local',
      '--manifests',
      folder,
      '--node',
      'node-2',
      '--without',
      '10.0.0.4',
    );
    assert.equal(status, 0);
    assert.match(stdout, /shop\/local:web\/TCP\/IPv4\/Local/);
    assert.match(stdout, /candidates +7 of 7 endpoints \(ready\); traffic policy Local/);
    assert.match(stdout, / {4}0 +10\.0\.0\.4:8080 +14\.3 %/);
    assert.match(stdout, /slot 0: 10\.0\.0\.4:8080 -> 10\.0\.0\.10:8080/);
  });

  it('tells by its exit code and in words that clients are refused', () => {
    const { status, stdout } = flowspan('explain', 'shop/local', '--manifests', folder, '--node', 'node-1');
    assert.equal(status, 1);
    assert.match(stdout, /refused at once.*other nodes have/);
  });

  it('is JSON on request', () => {
    const { stdout } = flowspan('explain', 'shop/web', '--manifests', folder, '-o', 'json', '--maglev-size', '65537');
    const { pools, conditions } = JSON.parse(stdout);
    assert.deepEqual([pools.length, pools[0].maglev_size], [2, 65_537]);
    assert.deepEqual(
      conditions.map(({ reason }: { reason: string }) => reason),
      ['Accepted'],
    );
  });

  it('refuses what it does not understand', () => {
    for (const args of [
      ['explain', 'shop/web'],
      ['explain', 'a/b/c', '--manifests', folder],
      ['explain', 'web', 'other', '--manifests', folder],
      ['show', 'web', '--manifests', folder],
      ['explain', 'web', '--manifests', folder, '--maglev-size', '100'],
      ['explain', 'web', '--manifests', folder, '--loud'],
    ])
      assert.equal(flowspan(...args).status, 2, args.join(' '));
    assert.match(
      flowspan('explain', 'web', '--manifests', folder).stderr,
      /FLOW_LB_SERVICE: .* no service default\/web/,
    );
    assert.match(flowspan('explain', 'web', '--manifests', join(folder, 'none')).stderr, /FLOW_LB_MANIFESTS: .*ENOENT/);
    writeFileSync(join(folder, 'broken.yaml'), 'kind: [');
    assert.match(flowspan('explain', 'shop/web', '--manifests', folder).stderr, /FLOW_LB_MANIFESTS: .*broken\.yaml/);
    rmSync(join(folder, 'broken.yaml'));
  });
});
