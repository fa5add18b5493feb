/** Every record has one fate: `flowspan audit` on real traffic, at rest, overloaded, with its store away, after restarts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { ownEnvironment } from '../../deploy/lab/own_environment.ts';
import { noteProcess, removeNow } from '../../deploy/lab/registry.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import type { JudgedNode, JudgedRun, LiveCounters } from '../../query-api/cli/audit/judge.ts';
import { Child } from '../../query-api/cli/child.ts';
import type { Completeness } from '../../query-api/src/completeness.ts';
import { type Fates, fatesOf, STORED_KINDS } from '../../query-api/src/record_fates.ts';
import { ROW_LOSS_REASONS } from '../../store/loss_reasons.ts';
import { queryStore, whyNot } from '../support/flowspan.ts';
import { flowspanCommand } from '../support/up.ts';
import { type Bursts, startBursts } from './burst.ts';

const RING_BYTES = 64 * 1024;
/** A record of a request takes more, so that this many do not fit into its ring. */
const SMALLEST_REQUEST_RECORD = 200;
const TEN_RINGS = Math.ceil((10 * RING_BYTES) / SMALLEST_REQUEST_RECORD);
const MOST_BURSTS = 40;
const READY_MS = 60_000;
const SETTLE_MS = 60_000;

interface Audit {
  readonly nodes: readonly JudgedNode[];
  readonly completeness: Completeness;
  readonly verdict: string;
  readonly exit_code: number;
}

describe('records wanted = stored + aggregated + lost', { skip: whyNot() ?? false }, () => {
  let env: NodeJS.ProcessEnv;
  let cgroup: Cgroup;
  let bursts: Bursts;
  const children = new Map<string, Child>();
  const lines: string[] = [];

  async function startChild(name: string): Promise<void> {
    const child = new Child({
      ...{ name, argv: [], env, readyTimeoutMs: READY_MS },
      onLine: (from, line) => lines.push(`${from}: ${line}`),
      onNote: (text) => lines.push(text),
    });
    children.set(name, child);
    await child.start();
    noteProcess(child.pid as number);
  }

  const collectorPid = () => children.get('collector')?.pid as number;
  const live = async () =>
    (await (await fetch(`http://${env.FLOWSPAN_COLLECTOR_LISTEN}/status`)).json()) as LiveCounters & {
      spool: { segments: number };
    };

  /** Runs the command. It finds the collector and the API of this test alone. */
  async function audit(): Promise<Audit> {
    const { output } = await flowspanCommand(
      env,
      ...['audit', '-o', 'json', '--server', `http://${env.FLOWSPAN_QUERY_API_LISTEN}`],
      ...['--collector', `http://${env.FLOWSPAN_COLLECTOR_LISTEN}`],
    );
    const json = output.split('\n').find((line) => line.startsWith('{'));
    assert.ok(json !== undefined, output);
    return JSON.parse(json) as Audit;
  }

  /** The node, with each kind of each run closed to the unit. */
  function closed({ nodes }: Audit): JudgedNode {
    assert.equal(nodes.length, 1);
    const [node] = nodes as [JudgedNode];
    assert.deepEqual(node.wrong, []);
    for (const run of node.runs) {
      for (const [kind, fates] of Object.entries(run.kinds)) {
        assert.equal(fates.difference, 0, `${kind} of the run since ${run.started}: ${JSON.stringify(fates)}`);
      }
    }
    return node;
  }

  const running = (node: JudgedNode): JudgedRun => node.runs.at(-1) as JudgedRun;
  const lostOf = (run: JudgedRun, reason: string) =>
    Object.values(run.kinds).reduce((sum, { lost }) => sum + (lost[reason] ?? 0), 0);

  /** Waits until rows of requests have come to rest in the store. */
  async function settled(): Promise<void> {
    await eventually(
      'requests to be stored',
      async () => {
        const { rows_waiting, counters } = await live();
        return rows_waiting.request === 0 && counters.request?.held === 0;
      },
      SETTLE_MS,
    );
  }

  /** Waits until so many runs have reported: of one that was killed before, nobody knows. */
  async function reported(runs: number): Promise<void> {
    const sql = 'SELECT uniqExact(started) AS runs FROM collector_reports';
    const told = () => queryStore<{ runs: string }>(env.FLOWSPAN_CLICKHOUSE_URL as string, sql);
    await eventually('a report', async () => Number((await told())[0]?.runs) >= runs, SETTLE_MS);
  }

  before(async () => {
    cgroup = createCgroup();
    env = {
      ...process.env,
      ...(await ownEnvironment()),
      FLOWSPAN_COLLECTOR_CGROUP_ROOT: cgroup.path,
      FLOWSPAN_COLLECTOR_RECORDS_RING_BYTES: String(RING_BYTES),
      FLOWSPAN_COLLECTOR_REQUESTS_RING_BYTES: String(RING_BYTES),
      FLOWSPAN_COLLECTOR_SPOOL_BYTES: String(1024 * 1024),
    };
    for (const name of ['store', 'query-api', 'collector']) await startChild(name);
    bursts = startBursts(cgroup);
  });

  after(async () => {
    await bursts?.stop();
    for (const name of ['collector', 'query-api', 'store']) await children.get(name)?.stop();
    cgroup?.remove();
    removeNow('folder', env.FLOWSPAN_DATA_DIR as string);
  });

  it('on real traffic, to the unit, and the store has as many rows', async () => {
    await bursts.send(300, 20);
    await reported(1);
    await settled();
    const told = await audit();
    assert.equal(told.exit_code, 0, JSON.stringify(told));
    const node = closed(told);
    const { kinds, state } = running(node);
    assert.equal(state, 'running');
    // on a busy machine even these few may not all find room in a ring of 64 KiB
    assert.ok((kinds.request as Fates).wanted >= 300, JSON.stringify(kinds.request));
    assert.ok((kinds.request as Fates).stored > 0 && (kinds.flow as Fates).stored > 0, JSON.stringify(kinds));
    const [{ rows }] = (await queryStore<{ rows: string }>(
      env.FLOWSPAN_CLICKHOUSE_URL as string,
      'SELECT count() AS rows FROM requests',
    )) as [{ rows: string }];
    assert.equal(Number(rows), node.rows.request?.in_store);
  });

  it('the metrics of the collector add up to the same', async () => {
    const page = await (await fetch(`http://${env.FLOWSPAN_COLLECTOR_LISTEN}/metrics`)).text();
    const sum = (name: string, reasons: readonly string[] = []) =>
      [...page.matchAll(new RegExp(`^flowspan_${name}\\{(.*)\\} (\\d+)$`, 'gm'))]
        .filter(([, labels = '']) => labels.includes('kind="request"'))
        .filter(
          ([, labels]) => reasons.length === 0 || reasons.includes(/reason="(\w+)"/.exec(labels ?? '')?.[1] ?? ''),
        )
        .reduce((total, [, , value]) => total + Number(value), 0);
    const wanted = sum('collector_records_wanted_total');
    assert.ok(wanted >= 300, page);
    const lost = sum('collector_lost_records_total', ['ring_full', ...ROW_LOSS_REASONS]);
    const shed = sum('governor_shed_records_total', ['noisy_cgroup']);
    const without = sum('collector_records_aggregated_total') + sum('collector_records_discarded_total') + lost + shed;
    const stored = sum('collector_rows_stored_total') - sum('collector_rows_left_over_total');
    assert.equal(wanted, stored + without + sum('collector_rows_waiting'));
  });

  it('overloaded ten times: what did not fit into the ring is lost, counted, and told with answers', async () => {
    process.kill(collectorPid(), 'SIGSTOP');
    try {
      await bursts.send(TEN_RINGS, 20);
    } finally {
      process.kill(collectorPid(), 'SIGCONT');
    }
    await settled();
    const told = await audit();
    assert.equal(told.exit_code, 0, JSON.stringify(told));
    const { lost } = running(closed(told)).kinds.request as Fates;
    assert.ok((lost.ring_full ?? 0) > TEN_RINGS / 2, JSON.stringify(lost));
    await eventually(
      'the loss to be told',
      async () => {
        const asked = await fetch(`http://${env.FLOWSPAN_QUERY_API_LISTEN}/v1/requests?limit=1`);
        const { completeness } = (await asked.json()) as { completeness: Completeness };
        const rows = completeness.lost.filter(({ kind, reason }) => kind === 'request' && reason === 'ring_full');
        return !completeness.complete && rows.some(({ count }) => Number(count) >= (lost.ring_full ?? 0));
      },
      SETTLE_MS,
    );
  });

  it('with ClickHouse away and too little disk: in flight meanwhile, then stored or dropped', async () => {
    await children.get('store')?.stop();
    const droppedOf = ({ counters }: LiveCounters) =>
      STORED_KINDS.reduce((sum, kind) => sum + (counters[kind]?.lost_spool_dropped ?? 0), 0);
    let counts = await live();
    const droppedBefore = droppedOf(counts);
    // How many rows fill the spool depends on what fits into rings that small, and on how well it compresses.
    for (let burst = 0; burst < MOST_BURSTS && droppedOf(counts) === droppedBefore; burst += 1) {
      await bursts.send(2_500, 25);
      counts = await live();
    }
    assert.ok(droppedOf(counts) > droppedBefore);
    const { counters, rows_waiting, ring_bytes } = counts;
    for (const kind of STORED_KINDS) {
      const fates = fatesOf(counters[kind] ?? {}, { ringsHold: ring_bytes > 0, waiting: rows_waiting[kind] });
      assert.equal(fates.difference, 0, `${kind}: ${JSON.stringify(fates)}`);
    }
    assert.ok((rows_waiting.request ?? 0) > 0);
    const away = await flowspanCommand(env, 'audit', '--server', `http://${env.FLOWSPAN_QUERY_API_LISTEN}`);
    assert.equal(away.code, 2, away.output);
    await startChild('store');
    await settled();
    const told = await audit();
    assert.equal(told.exit_code, 0, JSON.stringify(told));
    assert.ok(lostOf(running(closed(told)), 'spool_dropped') > 0);
  });

  it('after a stop and a new start', async () => {
    await bursts.send(200, 10);
    await children.get('collector')?.stop();
    await startChild('collector');
    await bursts.send(100, 10);
    await settled();
    const told = await audit();
    assert.equal(told.exit_code, 0, JSON.stringify(told));
    assert.deepEqual(
      closed(told).runs.map(({ state }) => state),
      ['stopped', 'running'],
    );
  });

  it('after kill -9: what cannot be known is told as unknown, the rest closes', async () => {
    const killed = collectorPid();
    await bursts.send(200, 10);
    await reported(2);
    process.kill(killed, 'SIGKILL');
    await eventually('a new collector', () => collectorPid() !== undefined && collectorPid() !== killed, READY_MS);
    await eventually('its counters', () => live().then(Boolean, () => false), READY_MS);
    await bursts.send(100, 10);
    await settled();
    const told = await audit();
    assert.equal(told.exit_code, 2, JSON.stringify(told));
    const node = closed(told);
    assert.deepEqual(
      node.runs.map(({ state }) => state),
      ['stopped', 'killed', 'running'],
    );
    assert.match(node.unknown[0] ?? '', /was killed: .* is not known \(restart\)/);
    assert.ok((running(node).kinds.request as Fates).stored >= 100);
  });
});
