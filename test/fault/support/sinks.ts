/** A collector with all its sinks, each of which can be asked how soon a request is seen in it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { type Program, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type Flowspan, freePorts, queryStore, startFlowspan } from '../../support/flowspan.ts';
import { TcpProxy } from '../../support/tcp_proxy.ts';

const SERVER = `require('node:http').createServer((q, a) => { q.resume(); a.end('ok'); }).listen(+process.argv[1], '127.0.0.1')`;

export const SINKS = ['clickhouse', 'otlp', 'live', 'scrape'] as const;
export type Sink = (typeof SINKS)[number];

/** A collector, what it watches, and whom it tells. */
export interface Sinks {
  readonly flowspan: Flowspan;
  /** In front of ClickHouse. */
  readonly clickhouse: TcpProxy;
  /** In front of the OpenTelemetry Collector. */
  readonly otlp: TcpProxy;
  /** Requests of the watched server, each with its own path below the label. */
  ask(label: string, count: number): Promise<void>;
  /** Rows of requests below the label, read past the proxy. */
  stored(label: string): Promise<number>;
  /** Makes one request and waits until each of the sinks has shown it. @returns milliseconds by sink */
  see(label: string, sinks: readonly Sink[], timeoutMs: number): Promise<Record<string, number>>;
  end(): Promise<void>;
}

/** @param hasAll whether requests are sent as spans, all of them, and somebody watches the live feed */
export async function openSinks({ hasAll = true } = {}): Promise<Sinks> {
  const [storePort = 0, serverPort = 0] = await freePorts(2);
  const received: Buffer[] = [];
  const receiver = await receive(received);
  const clickhouse = await TcpProxy.start(storePort);
  const otlp = await TcpProxy.start((receiver.address() as AddressInfo).port);
  const cgroup: Cgroup = createCgroup();
  const server: Program = start({ cgroup }, [process.execPath, '-e', SERVER, String(serverPort)]);
  const flowspan = await startFlowspan({
    cgroup,
    env: {
      FLOWSPAN_STORE_LISTEN: `127.0.0.1:${storePort}`,
      FLOWSPAN_CLICKHOUSE_URL: `http://127.0.0.1:${clickhouse.port}`,
      ...(hasAll
        ? {
            FLOWSPAN_OTLP_ENDPOINT: `http://127.0.0.1:${otlp.port}`,
            FLOWSPAN_OTLP_OWN_SPANS: 'false',
            FLOWSPAN_COLLECTOR_SPANS_RATIO: '1',
            FLOWSPAN_COLLECTOR_SPANS_MAX_PER_SECOND: '1000000',
          }
        : {}),
    },
  });
  const live = hasAll ? await watch(flowspan.collectorUrl) : { socket: undefined, frames: [] };
  const ask = async (label: string, count: number) => {
    const url = `http://127.0.0.1:${serverPort}/${label}/[1-${count}]`;
    await run({ cgroup }, ['curl', '-s', '-o', '/dev/null', '--retry-connrefused', '--retry', '9', url]);
  };
  const stored = async (label: string) => {
    const sql = `SELECT toString(count()) AS n FROM requests WHERE http_path LIKE '/${label}/%'`;
    return Number((await queryStore<{ n: string }>(`http://127.0.0.1:${storePort}`, sql))[0]?.n);
  };
  const shows: Readonly<Record<Sink, (label: string) => Promise<boolean>>> = {
    clickhouse: async (label) => (await stored(label)) === 2,
    otlp: async (label) => received.some((body) => body.includes(`/${label}/`)),
    live: async (label) => live.frames.some((frame) => frame.includes(`/${label}/`)),
    async scrape() {
      const answer = await fetch(`${flowspan.collectorUrl}/metrics`, { signal: AbortSignal.timeout(10_000) });
      return answer.ok && (await answer.text()).includes('# TYPE');
    },
  };
  return {
    flowspan,
    clickhouse,
    otlp,
    ask,
    stored,
    async see(label, sinks, timeoutMs) {
      await ask(label, 1);
      const beganMs = performance.now();
      const seen = sinks.map(async (sink) => {
        await eventually(`${label} in ${sink}`, () => shows[sink](label), timeoutMs);
        return [sink, Math.round(performance.now() - beganMs)] as const;
      });
      return Object.fromEntries(await Promise.all(seen));
    },
    async end() {
      live.socket?.terminate();
      await flowspan.stop();
      await server.stop();
      await Promise.all([clickhouse.stop(), otlp.stop()]);
      receiver.closeAllConnections();
      await new Promise((resolve) => receiver.close(resolve));
      cgroup.remove();
    },
  };
}

/** An OpenTelemetry Collector that keeps what it gets. */
async function receive(received: Buffer[]): Promise<Server> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      received.push(gunzipSync(Buffer.concat(parts)));
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function watch(collectorUrl: string): Promise<{ socket: WebSocket; frames: string[] }> {
  const socket = new WebSocket(`${collectorUrl.replace('http', 'ws')}/live`);
  const frames: string[] = [];
  socket.on('message', (data) => frames.push(String(data)));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return { socket, frames };
}
