/** Generated connections, cut into messages anywhere, some of which TCP takes over: the rows that a slow reference reads. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import type { Exchange } from '../http/exchange.ts';
import { expectedOf } from '../http/reference.ts';
import { RequestWatcher, type Seen } from '../http/watch.ts';
import { FIRST_PORT, type Kind, played } from './played.ts';
import { createRedirect, OPTED_OUT, REDIRECTED, type Redirect, script } from './redirect.ts';

const COUNT = Number(process.env.PLAYED_CONNECTIONS ?? 300);
/** Sequence number of the first bytes, to which those of the rows are brought. */
const FIRST = 1000;
const OPT_OUT_MS = 30;

describe('what goes past TCP, message by message,', () => {
  let redirect: Redirect;
  let watcher: RequestWatcher;
  let port = 8080;

  before(() => {
    redirect = createRedirect();
    watcher = new RequestWatcher(redirect.cgroup, {
      shared: { path: (map) => redirect.dataplane.map(map), redirects: true },
    });
  });
  after(() => {
    watcher.close();
    redirect.end();
  });

  const brought = (sequence: number, begin: number): number => (sequence === 0 ? 0 : (sequence - begin + FIRST) >>> 0);

  /** A row as the reference has it, which knows no resets. */
  function asExchange(seen: Seen): Exchange {
    const { point, index, clientPort, serverPort, begins, durationNs, readNs, verdict, srttUs, ...exchange } = seen;
    return {
      ...exchange,
      requestSequence: brought(seen.requestSequence, begins.request),
      responseSequence: brought(seen.responseSequence, begins.response),
      end: seen.end === 'connection_reset' ? 'connection_closed' : seen.end,
    };
  }

  async function playAll(kind: Kind): Promise<Seen[]> {
    port += 1;
    const server = start(redirect.server, script('played.ts', 'serve', port, kind));
    await listening(redirect.server.namespace, port);
    await run(redirect.client, script('played.ts', 'play', redirect.host.ipv4, port, kind, COUNT));
    const expected = Array.from({ length: COUNT }, (_, i) => {
      const { requests, responses } = played(kind, i + 1);
      return expectedOf(requests, responses, FIRST).rows;
    });
    const total = expected.flat().length;
    const rows = await eventually(`${total} requests at both ends`, () => {
      const seen = watcher.seen('').filter(({ serverPort }) => serverPort === port);
      return seen.length >= 2 * total && seen;
    });
    await server.stop();
    for (const [i, exchanges] of expected.entries())
      for (const point of ['client', 'server']) {
        const seen = rows.filter((row) => row.clientPort === FIRST_PORT + i + 1 && row.point === point);
        assert.deepEqual(seen.map(asExchange), exchanges, `${kind} ${i + 1}, ${point}`);
      }
    return rows;
  }

  for (const kind of ['whole', 'broken'] as const) {
    it(`is read as it stands: ${kind} connections`, async () => {
      redirect.optIn('client', 'server');
      const counted = redirect.counting();
      const rows = await playAll(kind);
      assert.ok(counted().stops[REDIRECTED]! > COUNT);
      assert.equal(new Set(rows.map(({ verdict }) => verdict)).size, 1);
    });

    it(`is read as it stands where TCP takes over anywhere: ${kind} connections`, async () => {
      redirect.optIn('client', 'server');
      const counted = redirect.counting();
      let isOver = false;
      const turning = (async () => {
        while (!isOver) {
          await sleep(OPT_OUT_MS * Math.random());
          redirect.optIn();
          redirect.optIn('client', 'server');
        }
      })();
      const rows = await playAll(kind).finally(async () => {
        isOver = true;
        await turning;
      });
      assert.ok(counted().stops[OPTED_OUT]! > COUNT / 50, `streams that TCP took over: ${counted().stops}`);
      assert.deepEqual(new Set(rows.map(({ verdict }) => verdict)), new Set(['redirected', 'forwarded']));
    });
  }
});
