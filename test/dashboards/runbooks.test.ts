/** Runbooks: one for each alert, and every command in them does what it says on rows that show the fault. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { EDGE_LABELS } from '../../dashboards/src/queries/promql.ts';
import { alertRules } from '../../dashboards/src/rules/render.ts';
import { readExplainCommand } from '../../query-api/cli/explain/flags.ts';
import { readObserveCommand } from '../../query-api/cli/observe_flags.ts';
import { COLLECTOR_REPORTS, ENDPOINTS, FLOWS, LOSSES, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { BEGIN, endpoint, event, flow, MS, NODE_A, report, request, SECOND } from '../query-api/rows.ts';
import { Scene } from '../query-api/scene.ts';
import { queryStore } from '../support/flowspan.ts';

const FOLDER = fileURLToPath(new URL('../../dashboards/', import.meta.url));
const SECTIONS = ['What it means', 'First query', 'What usually causes it', 'How to silence'];
const ALERTS = alertRules().map(({ alert }) => alert);
const BOOKS = readdirSync(join(FOLDER, 'runbooks'))
  .filter((name) => name !== 'README.md')
  .map((name) => name.replace(/\.md$/, ''));

const text = (alert: string) => readFileSync(join(FOLDER, 'runbooks', `${alert}.md`), 'utf8');
/** Contents of the fenced blocks of a language. */
const blocks = (alert: string, language: string) =>
  [...text(alert).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block ?? '');
/** Command lines of the shell blocks, continued lines joined. */
const commands = (alert: string) =>
  blocks(alert, 'sh').flatMap((block) => block.replaceAll('\\\n', ' ').split('\n').filter(Boolean));

/** A minute ago, as the rows' helpers count: ns after BEGIN. */
const AT = BigInt(Date.now()) * MS - BEGIN - 60n * SECOND;
/** An edge from 1 to 2 on which everything is wrong. */
const EVENTS = ['retransmit', 'reset_sent', 'reset_received', 'connect_failed', 'accept_overflow'];

let scene: Scene;

async function insertRows(): Promise<void> {
  await scene.insert(ENDPOINTS, [endpoint(1n, 'CLIENT'), endpoint(2n, 'SERVER')]);
  await scene.insert(REQUESTS, [
    request(AT, {
      http_status_code: 503,
      duration_ns: 1500n * MS,
      application_read_ns: 2n * MS,
      retransmitted_segments: 1,
      error_type: '503',
    }),
  ]);
  await scene.insert(FLOWS, [
    flow(AT, { flow_state: 'closed', close_cause: 'reset', closed_by: 'server', application_protocol: 'tls' }),
  ]);
  await scene.insert(
    TCP_EVENTS,
    EVENTS.map((event_kind) =>
      event(AT, { event_kind, retransmit_cause: event_kind === 'retransmit' ? 'timeout' : 'none' }),
    ),
  );
  await scene.insert(LOSSES, [
    {
      cluster: 'test',
      ...NODE_A,
      time: BEGIN + AT,
      duration_ns: SECOND,
      kind: 'request',
      reason: 'ring_full',
      count: 3n,
    },
  ]);
  await scene.insert(COLLECTOR_REPORTS, [report(AT)]);
}

before(async () => {
  scene = await Scene.start();
  await insertRows();
});
after(async () => {
  await scene.close();
});

describe('runbooks', () => {
  it('are there for each alert, and for nothing else', () => {
    assert.deepEqual(BOOKS.toSorted(), ALERTS.toSorted());
  });

  it('say what it means, what to ask first, what causes it, and how to silence it', () => {
    for (const alert of BOOKS) {
      assert.equal(text(alert).split('\n')[0], `# ${alert}`);
      assert.deepEqual(
        [...text(alert).matchAll(/^## (.*)$/gm)].map(([, title]) => title),
        SECTIONS,
        alert,
      );
      for (const part of text(alert)
        .split(/^## .*$/m)
        .slice(1))
        assert.ok(part.trim().length > 50, alert);
    }
  });

  it('lead to files that are there', () => {
    for (const alert of [...BOOKS, 'README']) {
      for (const [, target] of text(alert).matchAll(/\]\(([^)#]+)\)/g)) {
        assert.ok(readFileSync(join(FOLDER, 'runbooks', target ?? '')).length > 0, `${alert}: ${target}`);
      }
    }
  });

  it('silence their own alert, by labels that it has', () => {
    const tests = ['correlated', 'edges', 'own'].flatMap((name) => {
      const file = parse(readFileSync(join(FOLDER, 'rules', 'tests', `${name}.yml`), 'utf8')) as {
        tests: { alert_rule_test: { alertname: string; exp_alerts: { exp_labels: object }[] }[] }[];
      };
      return file.tests.flatMap((one) => one.alert_rule_test);
    });
    for (const alert of BOOKS) {
      const lines = commands(alert).filter((line) => line.startsWith('amtool silence add'));
      assert.equal(lines.length, 1, alert);
      const matchers = [...(lines[0] ?? '').matchAll(/ ([a-z_]+)=/g)].map(([, label]) => label ?? '');
      assert.match(lines[0] ?? '', new RegExp(` alertname=${alert} `));
      const fired = tests.find(({ alertname, exp_alerts }) => alertname === alert && exp_alerts.length > 0);
      const labels = Object.keys(fired?.exp_alerts[0]?.exp_labels ?? {});
      for (const label of matchers) assert.ok(['alertname', ...labels].includes(label), `${alert}: ${label}`);
      assert.ok(matchers.length > 1, `${alert}: one edge or machine, not all`);
    }
  });

  it('inhibit alerts that there are, on the same edge', () => {
    const found = ALERTS.flatMap((alert) => blocks(alert, 'yaml'));
    assert.equal(found.length, 1);
    const { inhibit_rules } = parse(found[0] ?? '') as {
      inhibit_rules: { source_matchers: string[]; target_matchers: string[]; equal: string[] }[];
    };
    for (const { source_matchers, target_matchers, equal } of inhibit_rules) {
      for (const matcher of [...source_matchers, ...target_matchers]) {
        const [, names = ''] = /^alertname=~?"([A-Za-z|]+)"$/.exec(matcher) ?? [];
        for (const name of names.split('|')) assert.ok(ALERTS.includes(name), matcher);
      }
      assert.deepEqual(equal, [...EDGE_LABELS]);
    }
  });
});

describe('first queries', () => {
  for (const alert of ALERTS) {
    it(`of ${alert} find the fault`, async () => {
      for (const block of blocks(alert, 'sql')) {
        const rows = await queryStore(scene.store.url, block);
        assert.ok(rows.length > 0, `${block}\nfound nothing`);
      }
      assert.equal(blocks(alert, 'sql').length, 1);
      const lines = commands(alert).filter((line) => !line.startsWith('amtool '));
      assert.ok(lines.length > 1);
      for (const line of lines) await tryCommand(line);
    });
  }

  it('linked from an alert are answered', async () => {
    const files = ['correlated', 'edges', 'own'].map((name) =>
      readFileSync(join(FOLDER, 'rules', 'tests', `${name}.yml`), 'utf8'),
    );
    const urls = new Set(
      files.flatMap((file) =>
        [...JSON.stringify(parse(file)).matchAll(/"first_query":"([^"]+)"/g)].map(([, url]) => url ?? ''),
      ),
    );
    assert.ok(urls.size >= 8);
    for (const url of urls) {
      const answer = await scene.get(url.replace('http://127.0.0.1:7470', ''));
      assert.equal(answer.status, 200, `${url}\n${answer.text}`);
    }
  });
});

/** Route of the query API by kind of row that `flowspan observe` shows. */
const ROUTES = { flow: 'flows', request: 'requests', tcp_event: 'tcp-events', verdict: 'verdicts' } as const;

/** Asks /v1 and requires that something is found. */
async function finds(line: string, path: string): Promise<void> {
  const answer = await scene.get(path);
  assert.equal(answer.status, 200, `${line}\n${answer.text}`);
  assert.ok(answer.body.data.length > 0, `${line}\nfound nothing`);
}

/** Does what a line of a runbook does, in this process: what it asks for must be found. */
async function tryCommand(line: string): Promise<void> {
  const [, port, path = ''] = /^curl 'http:\/\/127\.0\.0\.1:(7470|7471)([^']+)'/.exec(line) ?? [];
  const [program, command, ...words] = line.split(' ');
  if (port === '7470') await finds(line, path);
  else if (line === "curl 'http://127.0.0.1:7471/status'") return;
  else if (port === '7471')
    assert.match(line, /^curl 'http:\/\/127\.0\.0\.1:7471\/metrics' \| grep (-E '\^)?flowspan_[a-z_|()]+'?$/);
  else if (line !== 'flowspan status') {
    assert.equal(program, 'flowspan', line);
    if (command === 'manifests') assert.equal(line, 'flowspan manifests check DIR');
    else if (command === 'explain') assert.ok(readExplainCommand(words, {}) !== undefined, line);
    else {
      assert.equal(command, 'observe', line);
      const read = readObserveCommand(words, {});
      assert.ok(read !== undefined);
      for (const [type, parameters] of read.parameters) {
        await finds(line, `/v1/${ROUTES[type]}?since=${encodeURIComponent(read.since ?? '')}&${parameters}`);
      }
    }
  }
}
