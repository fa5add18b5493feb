/** An existing Prometheus is pointed at Flowspan by one command. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { run } from '../../deploy/lab/program.ts';
import { temporaryFolder } from '../support/flowspan.ts';

const SCRIPT = fileURLToPath(new URL('../../dashboards/src/join_prometheus.ts', import.meta.url));
const DEBIAN = `# Sample config for Prometheus.
global:
  scrape_interval: 15s # default is every 1 minute
rule_files:
  # - "first_rules.yml"
scrape_configs:
  - job_name: 'prometheus'
    scrape_interval: 5s
    static_configs:
      - targets: ['localhost:9090']
`;

function file(text: string): string {
  const path = join(temporaryFolder(), 'prometheus.yml');
  writeFileSync(path, text);
  return path;
}
const addTo = (path: string) => run({}, [process.execPath, SCRIPT, path]);

describe('join_prometheus', () => {
  it('adds jobs and rules, keeps what was there, and Prometheus takes it', async () => {
    const path = file(DEBIAN);
    const said = await addTo(path);
    assert.match(said, /added job flowspan-collector/);
    assert.match(await run({}, ['promtool', 'check', 'config', path]), /SUCCESS: 2 rule files found/);
    const text = readFileSync(path, 'utf8');
    for (const kept of [
      '# Sample config',
      '# default is every 1 minute',
      '# - "first_rules.yml"',
      "['localhost:9090']",
    ]) {
      assert.ok(text.includes(kept), `${kept}\n${text}`);
    }
    const { scrape_configs } = parse(text) as { scrape_configs: { job_name: string }[] };
    assert.deepEqual(
      scrape_configs.map(({ job_name }) => job_name),
      ['prometheus', 'flowspan-collector', 'flowspan-query-api', 'flowspan-store'],
    );
    assert.equal(readFileSync(`${path}.before-flowspan`, 'utf8'), DEBIAN);
  });

  it('changes nothing the second time', async () => {
    const path = file(DEBIAN);
    await addTo(path);
    const once = readFileSync(path, 'utf8');
    assert.match(await addTo(path), /all of it is there already/);
    assert.equal(readFileSync(path, 'utf8'), once);
    assert.equal(readFileSync(`${path}.before-flowspan`, 'utf8'), DEBIAN);
  });

  it('takes an empty file', async () => {
    const path = file('');
    await addTo(path);
    assert.match(await run({}, ['promtool', 'check', 'config', path]), /SUCCESS/);
  });

  it('leaves alone what it does not understand, and says so', async () => {
    for (const text of ['a: [', '- 1', 'scrape_configs: 7\n']) {
      const path = file(text);
      await assert.rejects(addTo(path), /FLOW_DASHBOARDS_PROMETHEUS/);
      assert.equal(readFileSync(path, 'utf8'), text);
      assert.equal(existsSync(`${path}.before-flowspan`), false);
    }
  });
});
