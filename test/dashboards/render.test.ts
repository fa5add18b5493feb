/** Dashboards and rules are rendered for an installation: its alerts lead where it is. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { run } from '../../deploy/lab/program.ts';
import { temporaryFolder } from '../support/flowspan.ts';
import { DASHBOARDS } from './support/rendered.ts';

const SCRIPT = fileURLToPath(new URL('../../dashboards/src/render.ts', import.meta.url));
const render = (...flags: string[]) => promisify(execFile)(process.execPath, [SCRIPT, ...flags]);

interface Alerts {
  groups: { rules: { alert: string; annotations: Record<string, string> }[] }[];
}

describe('render', () => {
  it('writes rules whose links lead into an installation, and leaves alone what else is there', async () => {
    const out = temporaryFolder();
    writeFileSync(join(out, 'mine.txt'), 'mine');
    const links = ['--runbooks', 'https://wiki.example/runbooks/', '--grafana', 'https://grafana.example/sub/'];
    await render('--out', out, ...links, '--query-api', 'http://flowspan.example:7470');
    const { groups } = parse(readFileSync(join(out, 'rules/flowspan-alerts.yml'), 'utf8')) as Alerts;
    const rules = groups.flatMap((group) => group.rules);
    assert.ok(rules.length > 0);
    for (const { alert, annotations } of rules) {
      assert.equal(annotations.runbook_url, `https://wiki.example/runbooks/${alert}.md`);
      assert.match(annotations.dashboard_url ?? '', /^https:\/\/grafana\.example\/sub\/d\/flowspan-/);
      assert.match(annotations.first_query ?? '', /^http:\/\/flowspan\.example:7470\/v1\//);
    }
    assert.equal(readFileSync(join(out, 'mine.txt'), 'utf8'), 'mine');
    assert.deepEqual(readdirSync(join(out, 'grafana')), readdirSync(join(DASHBOARDS, 'grafana')));
    assert.ok(existsSync(join(out, 'provisioning/datasources/flowspan.yml')));
    const files = ['alerts', 'recording'].map((name) => join(out, `rules/flowspan-${name}.yml`));
    assert.match(await run({}, ['promtool', 'check', 'rules', ...files]), /SUCCESS/);
  });

  it('refuses what it cannot follow, with a code and its usage, and writes nothing', async () => {
    const out = join(temporaryFolder(), 'out');
    for (const flags of [
      ['--outt', out],
      [out],
      ['--grafana', 'http://127.0.0.1:3000'],
      ['--out', out, '--grafana', 'grafana'],
      ['--out', out, '--query-api', 'http://127.0.0.1:7470/?token=1'],
      ['--out', out, '--runbooks', ''],
      ['--out', out, '--check'],
    ]) {
      const failed = await render(...flags).then(
        () => assert.fail(flags.join(' ')),
        (error: { code: number; stderr: string }) => error,
      );
      assert.equal(failed.code, 2, flags.join(' '));
      assert.match(failed.stderr, /^FLOW_DASHBOARDS_FLAG: .*\n\nusage: /, flags.join(' '));
      assert.equal(existsSync(out), false);
    }
    assert.match((await render('--help')).stdout, /--query-api URL/);
  });
});
