/**
 * Every panel and every variable of the committed dashboards, asked of real data: the demo's shop with several faults,
 * in the embedded store and in Prometheus. What fails or stays empty fails here.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EDGE_LABELS } from '../../dashboards/src/queries/promql.ts';
import { CHOSEN_EDGES_SQL } from '../../dashboards/src/variables.ts';
import { whyNot } from '../support/flowspan.ts';
import { answersOf, askStore, optionsOf, type Sources, type Values } from './support/ask.ts';
import { type BrokenShop, breakShop, SCRAPE_S } from './support/broken_shop.ts';
import { expandSql, type VariableValue } from './support/expand.ts';
import {
  asking,
  board,
  DASHBOARDS,
  MAY_BE_EMPTY,
  type Rendered,
  type RenderedPanel,
  rendered,
  type Target,
} from './support/rendered.ts';

/** Edges of the shop with a fault each: what one does not have another has. */
const EDGES = [
  ['checkout', 'payments'],
  ['checkout', 'cart'],
  ['mobile', 'gateway'],
  ['gateway', 'catalog'],
] as const;

/** Panels that say when they are empty, and may be in this scene: Flowspan lost nothing, or just a little. */
const EMPTY_HERE = new Set([
  // the shop asks no Kubernetes API server
  'Known objects',
  'Since the API server was heard',
  'Not synced',
  'Asked of the API server',
  'Received from the API server',
  'Addresses told late',
  'Rows about addresses',
  // nor does it read a directory of manifests
  'Objects in use',
  'Refused',
  'Since all was accepted',
  'Reads',
  // balances no services
  'Choices',
  'Tables',
  // judges by no policies
  'Verdicts',
  'Denied and audited by policy',
  'Policies in force',
  "Policies' tables",
  'Time to bring policies into force',
  // and redirects nothing
  'Connections of pods that opted in',
  'Back to TCP',
  'Past TCP',
  'Messages and packets',
  'Room in maps',
  'Losses',
  'Missing from this time',
  'Lost by Flowspan',
  'Lost by Flowspan meanwhile',
  'Lost records by reason',
  'Alerts about Flowspan',
]);

/** A query of a panel: each has to bring something, not just one of them. */
interface Asked {
  readonly panel: RenderedPanel;
  readonly target: Target;
}
const queriesOf = (one: Rendered): Asked[] =>
  asking(one).flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel, target })));

/** Panels ask side by side, as in a browser. */
const AT_ONCE = 4;

/** Prometheus may miss scrapes on a busy machine: rates look back over several. */
const RATES_OVER_SCRAPES = 3;

/** What EXPLAIN says of each table that is read, and how many of its granules remain when all indexes are used. */
const READS = /ReadFromMergeTree \(flowspan\.(\w+)\)\s+[│\s]*Parts: \d+ \| Granules: (\d+)/g;

const ALL: VariableValue = { value: '$__all', allValue: '.*', many: true };

/** A dashboard's variables, All where nothing else is said. */
function valuesOf(one: Rendered, chosen: Readonly<Record<string, string>> = {}): Values {
  return Object.fromEntries(
    one.templating.list
      .filter(({ type }) => type !== 'datasource')
      .map(({ name, includeAll, multi }): [string, VariableValue] => {
        const value = chosen[name];
        return [name, value === undefined ? ALL : { value, many: includeAll === true || multi === true }];
      }),
  );
}

describe('panels on the demo’s data', { skip: whyNot() ?? false }, () => {
  let shop: BrokenShop;
  let sources: Sources;

  before(async () => {
    shop = await breakShop();
    sources = {
      prometheus: shop.prometheus,
      storeUrl: shop.flowspan.storeUrl,
      view: { from: shop.from, to: shop.to, intervalS: SCRAPE_S, scrapeS: RATES_OVER_SCRAPES * SCRAPE_S },
    };
  });
  after(async () => shop?.end());

  /** Queries that bring nothing; throws for the ones that fail, all in one message. */
  async function emptyQueries(one: Rendered, values: Values, asked = queriesOf(one)): Promise<Asked[]> {
    const failed: string[] = [];
    const isEmpty = async ({ panel, target }: Asked): Promise<boolean> => {
      try {
        return (await answersOf(target, values, sources)) === 0;
      } catch (error) {
        failed.push(`${panel.title} (${target.refId}): ${(error as Error).message}`);
        return false;
      }
    };
    const empty: Asked[] = [];
    for (let at = 0; at < asked.length; at += AT_ONCE) {
      const some = asked.slice(at, at + AT_ONCE);
      const are = await Promise.all(some.map(isEmpty));
      empty.push(...some.filter((_, index) => are[index]));
    }
    assert.deepEqual(failed, [], `queries of ${one.uid} that fail`);
    return empty;
  }

  /** Id of a request that the edge page shows with retransmits. */
  async function requestsWithRetransmits(): Promise<string[]> {
    const hurt: string[] = [];
    const edge = board('flowspan-edge');
    for (const title of ['Slowest requests', 'Latest failed requests']) {
      const sql = edge.panels.find((panel) => panel.title === title)?.targets?.[0]?.rawSql ?? '';
      for (const [source_workload, destination_workload] of EDGES) {
        const values = valuesOf(edge, { source_workload, destination_workload });
        const rows = await askStore(shop.flowspan.storeUrl, expandSql(sql, values, sources.view));
        const withRetransmits = rows.filter((row) => Number(row.retransmitted_segments) > 0);
        hurt.push(...withRetransmits.map((row) => String(row.request_id)));
      }
    }
    return hurt;
  }

  function assertNoneEmpty(one: Rendered, empty: readonly Asked[]): void {
    const wrong = empty.filter(
      ({ panel: { title, description = '' } }) => !(MAY_BE_EMPTY.test(description) && EMPTY_HERE.has(title)),
    );
    assert.deepEqual(
      wrong.map(({ panel, target }) => `${panel.title} (${target.refId})`),
      [],
      `queries of ${one.uid} without data`,
    );
  }

  for (const uid of ['flowspan-overview', 'flowspan-service-map', 'flowspan-health']) {
    it(`${uid}: every panel shows something`, async () => {
      const one = board(uid);
      assertNoneEmpty(one, await emptyQueries(one, valuesOf(one)));
    });
  }

  it('flowspan-edge: every panel shows something on one of the broken edges', async () => {
    const one = board('flowspan-edge');
    let empty = queriesOf(one);
    for (const [source_workload, destination_workload] of EDGES) {
      const values = valuesOf(one, { cluster: 'demo', source_workload, destination_workload });
      empty = await emptyQueries(one, values, empty);
    }
    assertNoneEmpty(one, empty);
  });

  it('flowspan-request: every panel shows something about a request with retransmits', async () => {
    const one = board('flowspan-request');
    const facts = one.panels.find(({ title }) => title === 'All facts')?.targets?.[0]?.rawSql ?? '';
    // Of a request that was given up, one end may have seen nothing.
    for (const hurt of await requestsWithRetransmits()) {
      const chosen = valuesOf(one, { request_id: hurt, trace_id: '' });
      const told = await askStore(shop.flowspan.storeUrl, expandSql(facts, chosen, sources.view));
      const id = told.find(({ fact }) => fact === 'request_id');
      assert.ok([id?.client, id?.server].includes(hurt), 'the id that was asked for is among the facts');
      if (id?.client === '' || id?.server === '') continue;
      assertNoneEmpty(one, await emptyQueries(one, chosen));
      return;
    }
    assert.fail('no request with retransmits that both ends saw is shown on any edge page');
  });

  it('the table of edges says what /v1/edges says', async () => {
    const one = board('flowspan-service-map');
    const table = one.panels.find(({ title }) => title === 'Edges')?.targets?.[0]?.rawSql ?? '';
    const minute = (seconds: number) => new Date(Math.floor(seconds / 60) * 60_000).toISOString();
    const [since, until] = [minute(shop.from), minute(shop.to + 60)];
    const edge = ({ source_workload, destination_workload }: Record<string, unknown>) =>
      `${source_workload || 'unknown'} -> ${destination_workload || 'unknown'}`;
    const api = async () => {
      const asked = `since=${since}&until=${until}&group_by=source_workload,destination_workload&limit=1000`;
      const answer = await fetch(`${shop.flowspan.queryApiUrl}/v1/edges?${asked}`);
      const { data } = (await answer.json()) as { data: Record<string, unknown>[] };
      return new Map(data.map((row) => [edge(row), row]));
    };
    const told = async () => {
      const rows = await askStore(shop.flowspan.storeUrl, expandSql(table, valuesOf(one), sources.view));
      return new Map(rows.map((row) => [edge(row), row]));
    };
    // The shop goes on: what the table says lies between two answers.
    const [before, shown, later] = [await api(), await told(), await api()];
    assert.ok(before.size >= EDGES.length, [...before.keys()].join());
    for (const [name, row] of before) {
      for (const count of ['requests', 'errors', 'connections_failed', 'connections_opened', 'bytes_from_server']) {
        const [least, value, most] = [row[count], shown.get(name)?.[count], later.get(name)?.[count]].map(Number);
        assert.ok(least! <= value! && value! <= most!, `${name}: ${count} ${least} <= ${value} <= ${most}`);
      }
    }
  });

  it('every variable offers values, and those of the shop among them', async () => {
    for (const one of rendered()) {
      for (const variable of one.templating.list.filter(({ type }) => type === 'query')) {
        const options = await optionsOf(variable, valuesOf(one), sources);
        // outside of Kubernetes there is no namespace: All is the only choice
        if (variable.name.endsWith('_namespace')) assert.equal(variable.includeAll, true, variable.name);
        else assert.ok(options.length > 0, `${one.uid}: ${variable.name} offers nothing`);
        if (variable.name === 'destination_workload') assert.ok(options.includes('payments'), options.join());
      }
    }
  });

  it('names that end a string of SQL are nothing but names', async () => {
    for (const hostile of ["\\' OR 1 -- ", '$re$) OR 1 -- ']) {
      const chosen = Object.fromEntries(
        ['cluster', 'source_workload', 'destination_workload', 'request_id', 'trace_id'].map((name) => [name, hostile]),
      );
      for (const one of rendered()) {
        const withNames = queriesOf(one).filter(({ target }) => /\$\{\w+:/.test(target.rawSql ?? ''));
        const empty = await emptyQueries(one, valuesOf(one, chosen), withNames);
        const told = withNames.filter(({ target }) => !empty.some((asked) => asked.target === target));
        assert.deepEqual(
          told.map(({ panel }) => panel.title),
          [],
          `${one.uid}: ${hostile} chooses something`,
        );
      }
    }
  });

  it('a name with a quote, a backslash or a dollar is chosen by itself', async () => {
    for (const name of ["o'brien", 'a\\', 'a\\b', '$re$', 'a.b|c']) {
      const labels = Object.fromEntries(EDGE_LABELS.map((label) => [label, name]));
      const literal = `'${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
      const row = EDGE_LABELS.map((label) => `${literal} AS ${label}`).join(', ');
      const sql = expandSql(CHOSEN_EDGES_SQL, valuesOf(board('flowspan-edge'), labels), sources.view);
      const found = await askStore(shop.flowspan.storeUrl, `SELECT 1 FROM (SELECT ${row}) WHERE ${sql}`);
      assert.equal(found.length, 1, name);
    }
  });

  it('statements read nothing when the time range holds nothing', async () => {
    const hour = 3600;
    const view = { ...sources.view, from: sources.view.from - 3 * hour, to: sources.view.to - 2 * hour };
    const asked = new Set<string>();
    for (const one of rendered()) {
      const values = valuesOf(one, { request_id: '0'.repeat(64), trace_id: '' });
      for (const panel of asking(one)) {
        for (const { rawSql } of panel.targets ?? []) {
          if (rawSql === undefined || asked.has(rawSql)) continue;
          asked.add(rawSql);
          const plan = await askStore(shop.flowspan.storeUrl, `EXPLAIN indexes = 1 ${expandSql(rawSql, values, view)}`);
          const text = plan.map(({ explain }) => String(explain)).join('\n');
          for (const [step, table, granules] of text.matchAll(READS)) {
            if (table === 'endpoints') continue;
            assert.equal(granules, '0', `${one.uid}: ${panel.title} reads ${table} beyond its time range\n${step}`);
          }
        }
      }
    }
  });

  it('every family that the processes publish is used by a panel or a rule', async () => {
    const used = [
      ...rendered().flatMap((one) => asking(one).flatMap(({ targets = [] }) => targets.map(({ expr = '' }) => expr))),
      ...['recording', 'alerts'].map((name) => readFileSync(join(DASHBOARDS, `rules/flowspan-${name}.yml`), 'utf8')),
    ].join('\n');
    const unused: string[] = [];
    for (const [url, path] of [
      [shop.flowspan.collectorUrl, '/metrics'],
      [shop.flowspan.collectorUrl, '/metrics/bpf'],
      [shop.flowspan.queryApiUrl, '/metrics'],
      [shop.flowspan.storeUrl, '/metrics'],
    ] as const) {
      const text = await (await fetch(`${url}${path}`)).text();
      const families = [...text.matchAll(/^# TYPE (\S+) (\w+)/gm)].map(([, name = '']) => name);
      assert.ok(families.length > 0, `${url}${path} publishes something`);
      // what prom-client tells of Node itself is Node's
      unused.push(...families.filter((name) => !/^(process|nodejs)_/.test(name) && !used.includes(name)));
    }
    assert.deepEqual([...new Set(unused)], [], 'families that nobody looks at');
  });

  it('exemplars of the latency lead to the request page', async () => {
    const exemplars = await shop.prometheus.exemplars(
      'flowspan_http_request_duration_seconds_bucket',
      shop.from,
      shop.to,
    );
    assert.ok(exemplars.length > 0, 'Prometheus holds exemplars');
    const one = board('flowspan-request');
    const summary = one.panels.find(({ title }) => title.startsWith('What was asked'))?.targets?.[0]?.rawSql ?? '';
    const named = (chosen: Record<string, string>) => valuesOf(one, { request_id: '', trace_id: '', ...chosen });
    const ids = [...new Set(exemplars.map(({ labels }) => labels.trace_id))].slice(0, 5);
    for (const id of ids) {
      const rows = await askStore(
        shop.flowspan.storeUrl,
        expandSql(summary, named({ trace_id: id ?? '' }), sources.view),
      );
      assert.equal(rows.length, 1, `the request of trace ${id}, which an exemplar names`);
    }
  });
});
