/** An existing Prometheus is pointed at Flowspan by one command. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
const addTo = (path: string, ...flags: string[]) => run({}, [process.execPath, SCRIPT, ...flags, path]);
const RULES = fileURLToPath(new URL('../../dashboards/rules/', import.meta.url));

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

  it('copies the rules beside the file, for every user to read, and names them from there', async () => {
    // as an earlier version named them
    const path = file(DEBIAN.replace('# - "first_rules.yml"', `- ${RULES}flowspan-alerts.yml`));
    assert.match(await addTo(path), /rules\/flowspan\/flowspan-alerts\.yml: copied from /);
    const { rule_files } = parse(readFileSync(path, 'utf8')) as { rule_files: string[] };
    assert.deepEqual(rule_files.sort(), [
      'rules/flowspan/flowspan-alerts.yml',
      'rules/flowspan/flowspan-recording.yml',
    ]);
    for (const name of rule_files) {
      const copy = join(dirname(path), name);
      assert.equal(statSync(copy).mode & 0o777, 0o644, copy);
      assert.equal(statSync(dirname(copy)).mode & 0o777, 0o755, dirname(copy));
    }
    const changed = join(dirname(path), 'rules/flowspan/flowspan-alerts.yml');
    writeFileSync(changed, 'groups: []\n');
    assert.match(await addTo(path), /flowspan-alerts\.yml: copied/);
    assert.deepEqual(readFileSync(changed), readFileSync(join(RULES, 'flowspan-alerts.yml')));
  });

  it('keeps a job of the same name as it is, and says so', async () => {
    const job = "  - job_name: flowspan-store\n    static_configs:\n      - targets: ['store.example:8123']\n";
    const path = file(DEBIAN + job);
    const said = await addTo(path);
    assert.match(said, /kept job flowspan-store as it is: its targets are store\.example:8123, not 127\.0\.0\.1:8123/);
    assert.doesNotMatch(said, /added job flowspan-store|kept job flowspan-collector/);
    assert.ok(readFileSync(path, 'utf8').includes(job));
    assert.match(await run({}, ['promtool', 'check', 'config', path]), /SUCCESS/);
  });

  it('refuses flags that it does not know, and rules that are not there', async () => {
    const path = file(DEBIAN);
    await assert.rejects(addTo(path, '--rule'), /FLOW_DASHBOARDS_PROMETHEUS/);
    await assert.rejects(addTo(path, '--rules', '/nowhere'), /ENOENT/);
    assert.equal(readFileSync(path, 'utf8'), DEBIAN);
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
