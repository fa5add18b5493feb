/** Recording rules and alerts: what Prometheus's own tool says of them, and what every alert must have. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { EDGE_LABELS } from '../../dashboards/src/queries/promql.ts';
import { recordingRules } from '../../dashboards/src/rules/recording.ts';
import { ALERTS_FILE, alertRules, RECORDING_FILE, ruleFiles } from '../../dashboards/src/rules/render.ts';
import { DEFAULT_LINKS, spanOf } from '../../dashboards/src/rules/rule.ts';
import { run } from '../../deploy/lab/program.ts';
import { temporaryFolder } from '../support/flowspan.ts';

const FOLDER = fileURLToPath(new URL('../../dashboards/', import.meta.url));
const RULES = join(FOLDER, 'rules');

interface RenderedRule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly keep_firing_for?: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

function rendered(file: string, options: Parameters<typeof ruleFiles>[0] = {}): RenderedRule[] {
  const text = ruleFiles(options).get(file);
  assert.ok(text !== undefined);
  return (parse(text) as { groups: { rules: RenderedRule[] }[] }).groups.flatMap(({ rules }) => rules);
}

describe('rules', () => {
  it('as committed are what promtool takes', async () => {
    const answer = await run({}, ['promtool', 'check', 'rules', join(RULES, RECORDING_FILE), join(RULES, ALERTS_FILE)]);
    assert.equal(answer.match(/SUCCESS/g)?.length, 2, answer);
  });

  it('with the time factor of the demo are, too, and differ in times only', async () => {
    const folder = temporaryFolder();
    const options = { timeFactor: 1 / 30 };
    for (const [name, text] of ruleFiles(options)) {
      writeFileSync(join(folder, name), text);
      const answer = await run({}, ['promtool', 'check', 'rules', join(folder, name)]);
      assert.match(answer, /SUCCESS/);
      const scaled = rendered(name, options);
      for (const [index, rule] of rendered(name).entries()) {
        const same = (text: string) => text.replaceAll(/\[5m\]/g, '[10s]').replaceAll('offset 1h', 'offset 2m');
        assert.equal(scaled[index]?.expr, same(rule.expr));
        assert.deepEqual(scaled[index]?.annotations, rule.annotations);
      }
    }
    const alert = (list: RenderedRule[]) => list.find((rule) => rule.alert === 'FlowspanRetransmitsWithServerErrors')!;
    assert.deepEqual(
      [alert(rendered(ALERTS_FILE)), alert(rendered(ALERTS_FILE, options))].map((rule) => [
        rule.for,
        rule.keep_firing_for,
      ]),
      [
        ['2m', '5m'],
        ['4s', '10s'],
      ],
    );
  });

  it('pass their unit tests: firing, not firing, resolving', { timeout: 120_000 }, async () => {
    const files = readdirSync(join(RULES, 'tests')).map((name) => join(RULES, 'tests', name));
    assert.equal(files.length, 3);
    await run({}, ['promtool', 'test', 'rules', ...files], 110_000);
  });

  it('are each unit-tested: one test fires it, and one finds it silent', () => {
    const tests = readdirSync(join(RULES, 'tests')).flatMap((name) => {
      const file = parse(readFileSync(join(RULES, 'tests', name), 'utf8')) as {
        tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
      };
      return file.tests.flatMap((one) => one.alert_rule_test);
    });
    for (const { alert } of alertRules()) {
      const own = tests.filter(({ alertname }) => alertname === alert);
      assert.ok(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        `${alert} is never expected`,
      );
      assert.ok(
        own.some(({ exp_alerts }) => exp_alerts.length === 0),
        `${alert} is never expected to be silent`,
      );
    }
  });
});

describe('a recording rule', () => {
  const rules = recordingRules({ span: spanOf(1), links: DEFAULT_LINKS });

  it('is named level:metric:operations, with the level that its labels are', () => {
    for (const { record, expr } of rules) {
      const [level, metric, operations] = record.split(':');
      assert.match(metric ?? '', /^flowspan_[a-z_]+$/, record);
      assert.doesNotMatch(metric ?? '', /_total$/, record);
      assert.match(operations ?? '', /^((ratio_|p\d\d_)?rate5m|increase5m)$/, record);
      if (level !== 'edge') assert.equal(level, 'edge_sender');
      const answer = /\b(?:sum|max) by \(([^)]*)\)/.exec(expr)?.[1];
      if (answer !== undefined) assert.equal(/\bsent_by\b/.test(answer), level === 'edge_sender', record);
      for (const [, labels] of expr.matchAll(/\b(?:sum|max) by \(([^)]*)\)/g)) {
        assert.deepEqual(
          (labels ?? '').split(', ').filter((label) => !['le', 'observation_point', 'sent_by'].includes(label)),
          [...EDGE_LABELS],
          record,
        );
      }
    }
  });
});

describe('what rules ask for', () => {
  const published = new Map(
    readFileSync(fileURLToPath(new URL('../collector/metric_names.txt', import.meta.url)), 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .map(([name = '', , , labels = '']): [string, string[]] => [name, labels.split(',')]),
  );
  const recorded = new Set(rendered(RECORDING_FILE).map(({ record }) => record));

  it('is published by that name, with the labels asked for', () => {
    let seen = 0;
    for (const { alert, record, expr } of [...rendered(RECORDING_FILE), ...rendered(ALERTS_FILE)]) {
      for (const [, name = '', matchers = ''] of expr.matchAll(/(?<![:\w])(flowspan_\w+)(?:\{([^}]*)\})?/g)) {
        const labels = published.get(name) ?? published.get(name.replace(/_(bucket|sum|count)$/, ''));
        assert.ok(labels !== undefined, `${alert ?? record}: nobody publishes ${name}`);
        for (const [, label = ''] of matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)) {
          const known = labels.includes(label) || (label === 'le' && name.endsWith('_bucket'));
          assert.ok(known, `${alert ?? record}: ${name} has no label ${label}`);
        }
        seen += 1;
      }
      for (const [name] of expr.matchAll(/\bedge(_sender)?:\w+:\w+/g)) assert.ok(recorded.has(name), name);
    }
    assert.ok(seen > 30);
  });
});

describe('an alert', () => {
  const alerts = rendered(ALERTS_FILE);

  it('has a severity, a text that stays, one that tells, and links', () => {
    for (const { alert, labels, annotations, for: wait } of alerts) {
      assert.match(alert ?? '', /^Flowspan[A-Z][A-Za-z]+$/);
      assert.match(labels.severity ?? '', /^(critical|warning|info)$/, alert);
      assert.match(wait ?? '', /^\d+m$/, alert);
      assert.match(annotations.summary ?? '', /^[^{}]+\.$/, alert);
      assert.equal(annotations.runbook_url, `dashboards/runbooks/${alert}.md`);
      assert.match(annotations.first_query ?? '', /^http:\/\/127\.0\.0\.1:7470\/v1\//, alert);
    }
  });

  it('takes the addresses of its links from who renders it', () => {
    const links = { runbooks: 'https://wiki.example/r', grafana: 'https://g.example', queryApi: 'https://q.example' };
    for (const { alert, annotations } of rendered(ALERTS_FILE, { links })) {
      assert.equal(annotations.runbook_url, `https://wiki.example/r/${alert}.md`);
      assert.ok(annotations.dashboard_url?.startsWith('https://g.example/d/flowspan-'), alert);
      assert.ok(annotations.first_query?.startsWith('https://q.example/v1/'), alert);
    }
  });

  it('leads to a page that is there, and fills variables that the page has', () => {
    for (const { alert, annotations } of alerts) {
      const [, uid, query = ''] = /\/d\/([a-z-]+)(?:\?(.*))?$/.exec(annotations.dashboard_url ?? '') ?? [];
      const page = JSON.parse(readFileSync(join(FOLDER, 'grafana', `${uid}.json`), 'utf8')) as {
        uid: string;
        templating: { list: { name: string }[] };
      };
      assert.equal(page.uid, uid);
      const variables = page.templating.list.map(({ name }) => name);
      for (const [, name] of query.matchAll(/(?:^|&)var-([a-z_]+)=/g)) {
        assert.ok(variables.includes(name ?? ''), `${alert}: ${uid} has no variable ${name}`);
      }
    }
  });
});
