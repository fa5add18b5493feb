/** A collector with too small a budget sheds detail in the stated order, tells how much, and recovers by itself. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../deploy/lab/program.ts';
import { whyNot } from '../support/flowspan.ts';
import { runWrk } from '../support/wrk.ts';
import { createGoverned, WEIGHED } from './support/governed.ts';

const LOAD = { label: 'much', threads: 8, requestsPerThread: 3000, pauseMs: 1 };
const REQUESTS = LOAD.threads * LOAD.requestsPerThread;
const FAILING = 200;

interface Weighed {
  readonly kept: string;
  readonly requests: string;
  readonly heaviest: string;
  readonly variance: string;
}

describe('a collector over its budget', { skip: whyNot() ?? false }, () => {
  let governed: Awaited<ReturnType<typeof createGoverned>>;
  let level = 0;

  before(async () => {
    governed = await createGoverned(['shop']);
    const { client, flowspan, follow, servers } = governed;
    const [{ nginx, url }] = servers as [(typeof servers)[number]];
    const load = async () => {
      await runWrk(client, { url, ...LOAD }, () => nginx.answered('/r/much/'));
      await run(client, ['curl', '-s', '-o', '/dev/null', `${url}/broken/[1-${FAILING}]`]);
    };
    ({ level } = await follow(load()));
    await flowspan.settled();
  });

  after(() => governed?.end());

  it('sheds, and says so in its log', () => {
    assert.ok(level > 0, `level ${level}`);
    assert.match(governed.flowspan.output(), /FLOW_GOVERN_LEVEL/);
  });

  it('counts every request in its metrics', async () => {
    assert.equal(await governed.counter('flowspan_http_requests'), REQUESTS + FAILING);
  });

  it('keeps rows that stand for all requests, within what chance allows', async () => {
    const [row] = await governed.flowspan.query<Weighed>(
      `SELECT ${WEIGHED} FROM requests WHERE startsWith(http_path, '/r/much/')`,
    );
    const { kept, requests, heaviest, variance } = row as Weighed;
    assert.ok(Number(heaviest) > 1 && Number(kept) < REQUESTS, `${kept} rows, the heaviest ${heaviest}`);
    const difference = Number(requests) - REQUESTS;
    const deviation = Math.sqrt(Number(variance));
    assert.ok(Math.abs(difference) <= 5 * deviation, `${requests} of ${REQUESTS}, standard deviation ${deviation}`);
  });

  it('keeps what failed, each for itself', async () => {
    const [row] = await governed.flowspan.query<Weighed>(`SELECT ${WEIGHED} FROM requests WHERE status = '500'`);
    if (level <= 8) assert.deepEqual([Number(row?.kept), row?.heaviest], [FAILING, '1']);
    else assert.ok(Math.abs(Number(row?.requests) - FAILING) <= 5 * Math.sqrt(Number(row?.variance)));
  });

  it('accounts for each record', async () => {
    const { request } = (await governed.status()).counters;
    const of = (...names: string[]) => names.reduce((sum, name) => sum + (request[name] as number), 0);
    assert.equal(of('wanted'), of('lost_ring_full', 'shed', 'read'));
    assert.equal(of('read'), of('held', 'discarded', 'aggregated', 'lost_memory_full', 'lost_too_large', 'rows'));
    assert.equal(of('lost_ring_full', 'lost_memory_full', 'shed'), 0);
    const [row] = await governed.flowspan.query<{ rows: string }>('SELECT toString(count()) AS rows FROM requests');
    assert.equal(Number(row?.rows), of('stored'));
    assert.equal(of('rows'), of('stored'));
    assert.ok(of('aggregated') > 0);
    const shed = await governed.counter('flowspan_governor_shed_records', { kind: 'request', reason: 'governor' });
    assert.equal(shed, of('aggregated'));
  });

  it('recovers by itself, and tells in every answer what was shed', async () => {
    const { client, flowspan, recovered, servers, status } = governed;
    await recovered();
    await run(client, ['curl', '-s', '-o', '/dev/null', `${servers[0]?.url}/after/[1-100]`]);
    await flowspan.settled();
    const rows = await flowspan.query<{ sample_weight: number }>(
      "SELECT sample_weight FROM requests WHERE startsWith(http_path, '/after/')",
    );
    assert.deepEqual(
      rows.map(({ sample_weight }) => sample_weight),
      new Array(100).fill(1),
    );
    const { aggregated } = (await status()).counters.request;
    const answer = await fetch(`${flowspan.queryApiUrl}/v1/requests?since=15m&limit=1`);
    const { completeness } = (await answer.json()) as {
      completeness: {
        complete: boolean;
        lost: { reason: string }[];
        shed: { kind: string; reason: string; count: string }[];
      };
    };
    assert.equal(completeness.complete, false);
    // Packets that anybody on this machine dropped are told too.
    assert.deepEqual(
      completeness.lost.filter(({ reason }) => reason !== 'drop_event_limit'),
      [],
    );
    const told = completeness.shed.filter(({ kind, reason }) => kind === 'request' && reason === 'governor');
    assert.equal(
      told.reduce((sum, { count }) => sum + Number(count), 0),
      aggregated,
    );
  });
});
