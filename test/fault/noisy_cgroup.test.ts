/**
 * One cgroup floods: the kernel writes fewer of its requests, and the other's are whole. The quiet one stays below the 100
 * records a second from which on there is anything to shed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Randomness, thresholdOf } from '../../collector/src/deliver/spans/probability.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import { runWrk } from '../support/wrk.ts';
import { createGoverned, WEIGHED } from './support/governed.ts';

const FLOOD = { label: 'flood', threads: 8, requestsPerThread: 4000, pauseMs: 1 };
const QUIET = { label: 'quiet', threads: 2, requestsPerThread: 60, pauseMs: 80 };
const FLOOD_REQUESTS = FLOOD.threads * FLOOD.requestsPerThread;
const QUIET_REQUESTS = QUIET.threads * QUIET.requestsPerThread;

describe('one noisy cgroup', { skip: whyNot() ?? false }, () => {
  let governed: Awaited<ReturnType<typeof createGoverned>>;
  let seen: { level: number; throttled: Set<string> };

  before(async () => {
    governed = await createGoverned(['noisy', 'quiet']);
    const { client, flowspan, follow, servers } = governed;
    const [noisy, quiet] = servers as [(typeof servers)[number], (typeof servers)[number]];
    const load = (server: typeof noisy, what: typeof FLOOD) =>
      runWrk(client, { url: server.url, ...what }, () => server.nginx.answered(`/r/${what.label}/`));
    const quietLoad = load(quiet, QUIET);
    // Nobody is noisy before there is a neighbour.
    const flood = eventually('an answer to the quiet one', () => quiet.nginx.answered('/r/quiet/') > 0);
    seen = await follow(Promise.all([flood.then(() => load(noisy, FLOOD)), quietLoad]));
    await flowspan.settled();
  });

  after(() => governed?.end());

  const weighed = async (label: string) => {
    const [row] = await governed.flowspan.query<Record<'kept' | 'requests' | 'heaviest' | 'variance', string>>(
      `SELECT ${WEIGHED} FROM requests WHERE startsWith(http_path, '/r/${label}/')`,
    );
    return {
      kept: Number(row?.kept),
      requests: Number(row?.requests),
      heaviest: Number(row?.heaviest),
      deviation: Math.sqrt(Number(row?.variance)),
    };
  };

  it('is throttled alone', () => {
    const paths = [...seen.throttled];
    assert.ok(paths.length > 0, 'a cgroup was throttled');
    assert.deepEqual(
      paths.filter((path) => !path.endsWith('/noisy')),
      [],
    );
    assert.equal(seen.level, 0, 'nobody else pays');
    assert.match(governed.flowspan.output(), /FLOW_GOVERN_CGROUP/);
  });

  it('leaves the rows of the other whole', async () => {
    const { kept, heaviest } = await weighed('quiet');
    assert.deepEqual([kept, heaviest], [QUIET_REQUESTS, 1]);
  });

  it('is counted to the unit in the kernel, and by weight in rows and metrics', async () => {
    const { kept, requests, heaviest, deviation } = await weighed('flood');
    assert.ok(heaviest > 1 && kept < FLOOD_REQUESTS, `${kept} rows, the heaviest ${heaviest}`);
    const { request } = (await governed.status()).counters;
    const of = (name: string) => request[name] as number;
    assert.equal(of('wanted'), FLOOD_REQUESTS + QUIET_REQUESTS);
    assert.equal(kept + of('shed'), FLOOD_REQUESTS, 'kept and shed are all');
    assert.equal(of('lost_ring_full') + of('aggregated'), 0);
    assert.ok(Math.abs(requests - FLOOD_REQUESTS) <= 5 * deviation, `${requests}, standard deviation ${deviation}`);
    const counted = await governed.counter('flowspan_http_requests');
    assert.ok(Math.abs(counted - FLOOD_REQUESTS - QUIET_REQUESTS) <= 5 * deviation, `${counted} in metrics`);
    const shed = await governed.counter('flowspan_governor_shed_records', { reason: 'noisy_cgroup' });
    assert.equal(shed, request.shed);
  });

  it('keeps the requests that the collector would have kept', async () => {
    const rows = await governed.flowspan.query<
      Record<'request_sequence' | 'response_sequence' | 'sample_weight', number>
    >('SELECT request_sequence, response_sequence, sample_weight FROM requests WHERE sample_weight > 1');
    const randomness = new Randomness();
    const others = rows.filter((row) => {
      randomness.ofSequences(row.request_sequence, row.response_sequence);
      return !randomness.reaches(thresholdOf(1 / row.sample_weight));
    });
    assert.ok(rows.length > 0);
    assert.deepEqual(others, []);
  });

  it('is let go when it is quiet', async () => {
    await governed.recovered();
  });
});
