/** An OpenTelemetry Collector that is not there, or never answers: nothing but counters shows it. */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { EXPORT_TRACE_PREFIX } from '../../collector/src/telemetry/own_exports.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { freePorts, whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { createWorld, type World } from '../support/world.ts';
import { runWrk } from '../support/wrk.ts';

const THREADS = 4;
const REQUESTS_PER_THREAD = 1500;
const QUEUE_SPANS = 500;
/** Exports in flight times spans in each. */
const IN_FLIGHT = 4 * 256;
/** Both ends of a request are observed. */
const ROWS = 2 * THREADS * REQUESTS_PER_THREAD;

interface Spans {
  readonly decisions: Readonly<Record<string, number>>;
  readonly exported: number;
  readonly lost: Readonly<Record<string, number>>;
}

async function spansOf(world: World): Promise<Spans> {
  const response = await fetch(`${world.flowspan.collectorUrl}/status`, { signal: AbortSignal.timeout(5000) });
  return ((await response.json()) as { spans: Spans }).spans;
}

/** A server that takes connections and requests, and says nothing. */
interface Mute {
  /** The head of the first request that came. */
  firstHead(): string;
  close(): void;
}

async function startMute(port: number): Promise<Mute> {
  const sockets = new Set<Socket>();
  let head = '';
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (head === '') head = bytes.toString('latin1').split('\r\n\r\n')[0] as string;
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    firstHead: () => head,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** What the collector printed after its start that is none of its own log lines. */
function strangeLines(output: string): string[] {
  const watching = output.split('\n').filter((line) => line.startsWith('collector: '));
  const begin = watching.findIndex((line) => line.includes('"msg":"watching"'));
  return watching.slice(begin).filter((line) => !line.startsWith('collector: {'));
}

describe('an OpenTelemetry Collector that', { skip: whyNot() ?? false }, () => {
  for (const [name, listens] of [
    ['is not there', false],
    ['never answers', true],
  ] as const) {
    it(`${name} costs no row and no more memory than the queue`, async () => {
      const [port = 0] = await freePorts(1);
      const mute = listens ? await startMute(port) : undefined;
      const world = await createWorld({
        env: {
          FLOWSPAN_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          FLOWSPAN_OTLP_TIMEOUT_MS: '1500',
          FLOWSPAN_OTLP_OWN_SPANS: 'false',
          FLOWSPAN_COLLECTOR_SPANS_RATIO: '1',
          FLOWSPAN_COLLECTOR_SPANS_MAX_PER_SECOND: '1000000',
          FLOWSPAN_COLLECTOR_SPANS_QUEUE_SPANS: String(QUEUE_SPANS),
        },
      });
      let nginx: Nginx | undefined;
      try {
        const server = await startNginx(world.server);
        nginx = server;
        const load = { url: `http://${world.serverAddress.ipv4}`, label: 'load', threads: THREADS, pauseMs: 0 };
        await runWrk(world.client, { ...load, requestsPerThread: REQUESTS_PER_THREAD }, () =>
          server.answered('/r/load/'),
        );
        await world.flowspan.settled();
        const spans = await eventually(
          'an export that fails',
          async () => {
            const now = await spansOf(world);
            return (now.lost.export_failed as number) > 0 && now;
          },
          15_000,
        );
        assert.deepEqual(await world.flowspan.losses(), []);
        const stored = await world.flowspan.query<{ decision: string; n: string }>(
          "SELECT toString(span_decision) AS decision, toString(count()) AS n FROM requests WHERE http_path LIKE '/r/load/%' GROUP BY decision",
        );
        const counts = Object.fromEntries(stored.map(({ decision, n }) => [decision, Number(n)]));
        const sum = Object.values(counts).reduce((total, n) => total + n, 0);
        assert.ok(sum >= ROWS, `${sum} rows of ${ROWS}: wrk asks once more before it is stopped`);
        assert.ok((counts.not_sent as number) > 0, 'most found no room, and their rows say so');
        const { exported, lost, decisions } = spans;
        assert.equal(exported, 0);
        assert.equal(lost.queue_full, decisions.not_sent, 'each that was not sent for want of room is counted');
        const taken = Object.values(decisions).reduce((total, n) => total + n, 0) - (decisions.not_sent as number);
        assert.ok(taken - (lost.export_failed as number) <= QUEUE_SPANS + IN_FLIGHT, JSON.stringify(spans));
        const warnings = world.flowspan
          .output()
          .split('\n')
          .filter((line) => line.includes('FLOW_SPANS_EXPORT'));
        assert.equal(warnings.length, 1, 'told once');
        if (mute !== undefined) {
          assert.match(mute.firstHead(), /^POST \/v1\/traces HTTP\/1\.1\r\n/);
          assert.match(mute.firstHead(), /^content-encoding: gzip\r$/im);
          assert.match(mute.firstHead(), new RegExp(`^traceparent: 00-${EXPORT_TRACE_PREFIX}`, 'im'));
        }
        await world.flowspan.stop();
        assert.ok(world.flowspan.output().includes('"msg":"stopped"'), 'it ended within its three seconds');
        assert.deepEqual(strangeLines(world.flowspan.output()), []);
      } finally {
        mute?.close();
        await nginx?.stop();
        await world.end();
      }
    });
  }
});
