/** Grafana's own dashboard-linter over the committed dashboards. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { asking, DASHBOARDS, rendered } from './support/rendered.ts';

const LINTER = join(DASHBOARDS, '../fixtures/bin/dashboard-linter');
const skip = existsSync(LINTER) ? false : 'fixtures/bin/dashboard-linter is missing: make fixtures';

/** Rules that do not hold here, with the reason. */
const EXCLUDED: Readonly<Record<string, string>> = {
  'template-job-rule': 'an edge is the same whichever job or instance tells of it',
  'template-instance-rule': 'an edge is the same whichever job or instance tells of it',
  'target-job-rule': 'an edge is the same whichever job or instance tells of it',
  'target-instance-rule': 'an edge is the same whichever job or instance tells of it',
  'template-datasource-rule': 'knows Prometheus and Loki: makes a variable’s name of the id of any other plugin',
};

/** Panels with SQL: the linter takes every query for PromQL once there is a Prometheus data source. */
function withSql(): { dashboard: string; panel: string }[] {
  return rendered().flatMap((one) =>
    asking(one)
      .filter(({ targets = [] }) => targets.some(({ rawSql }) => rawSql !== undefined))
      .map(({ title }) => ({ dashboard: one.title, panel: title })),
  );
}

describe('dashboard-linter', { skip }, () => {
  it('finds nothing', () => {
    const config = join(temporaryFolder(), 'lint.yml');
    const exclusions = {
      ...Object.fromEntries(Object.entries(EXCLUDED).map(([rule, reason]) => [rule, { reason }])),
      'target-promql-rule': { reason: 'SQL is no PromQL', entries: withSql() },
      'target-rate-interval-rule': {
        reason: 'a table of the whole time range',
        entries: [{ dashboard: 'Flowspan / Service map', panel: 'Pairs' }],
      },
    };
    writeFileSync(config, stringify({ exclusions }));
    for (const { uid } of rendered()) {
      const file = join(DASHBOARDS, 'grafana', `${uid}.json`);
      const { status, stdout, stderr } = spawnSync(LINTER, ['lint', '--strict', '--config', config, file], {
        encoding: 'utf8',
        timeout: 30_000,
      });
      assert.equal(status, 0, `${uid}\n${stdout}${stderr}`);
    }
  });

  it('knows a bad panel', () => {
    const [one] = rendered();
    assert.ok(one);
    const file = join(temporaryFolder(), 'bad.json');
    const panels = one.panels.map((panel) => ({ ...panel, description: '' }));
    writeFileSync(file, JSON.stringify({ ...one, panels }));
    assert.notEqual(spawnSync(LINTER, ['lint', '--strict', file], { encoding: 'utf8' }).status, 0);
  });
});
