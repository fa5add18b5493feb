/** Everything that Flowspan tells or keeps, as bytes to search. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { missingPeers, startOtelCollector } from '../../e2e/otel/peers.ts';
import type { Flowspan } from '../../support/flowspan.ts';

/** Requests that are asked for one by one, with all their evidence. */
const WHOLE_REQUESTS = 4;

/** Bytes under a name for what they are. */
export type Found = [name: string, bytes: Buffer];

/** Where spans are sent to. */
export interface SpanSink {
  readonly kind: 'OpenTelemetry Collector' | 'recorder';
  readonly endpoint: string;
  received(): Buffer;
  stop(): Promise<void>;
}

/** The real OpenTelemetry Collector if it is built, else a recorder of what it would have been sent. */
export async function startSpanSink(): Promise<SpanSink> {
  if (missingPeers('otelcol') === undefined) {
    const collector = await startOtelCollector();
    return {
      kind: 'OpenTelemetry Collector',
      endpoint: collector.endpoint,
      received: () => Buffer.from(JSON.stringify(collector.spans())),
      stop: () => collector.stop(),
    };
  }
  const bodies: Buffer[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    bodies.push(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
    response.setHeader('content-type', request.headers['content-type'] ?? 'application/json').end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    kind: 'recorder',
    endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    received: () => Buffer.concat(bodies),
    stop: async () => void server.close(),
  };
}

/** Every file of the data directory. */
export function filesOf(directory: string): Found[] {
  const found: Found[] = [];
  const ifThere = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch {
      return undefined; // gone meanwhile
    }
  };
  const walk = (folder: string): void => {
    for (const entry of ifThere(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      const bytes = entry.isFile() ? ifThere(() => readFileSync(path)) : undefined;
      if (bytes !== undefined) found.push([relative(directory, path), bytes]);
    }
  };
  walk(directory);
  return found;
}

/** Every row of every table of the store, as text, with the columns that are put together from others. */
export async function rowsOf(flowspan: Flowspan): Promise<Found[]> {
  const tables = await flowspan.query<{ name: string; made: string[] }>(
    `SELECT table AS name, groupArrayIf(columns.name, default_kind = 'ALIAS') AS made
     FROM system.columns JOIN system.tables ON tables.database = columns.database AND tables.name = columns.table
     WHERE database = 'flowspan' AND engine LIKE '%MergeTree' GROUP BY table ORDER BY table`,
  );
  const found: Found[] = [];
  for (const { name, made } of tables) {
    const response = await fetch(`${flowspan.storeUrl}/?database=flowspan&default_format=TSVWithNames`, {
      method: 'POST',
      body: `SELECT ${['*', ...made].join(', ')} FROM \`${name}\``,
      signal: AbortSignal.timeout(60_000),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) throw new Error(`${name}: ${bytes.toString()}`);
    found.push([name, bytes]);
  }
  return found;
}

/** Pages of metrics of all processes, in both formats. */
export async function metricsOf(flowspan: Flowspan): Promise<Found[]> {
  const urls = [flowspan.storeUrl, flowspan.collectorUrl, flowspan.queryApiUrl].map((url) => `${url}/metrics`);
  const found: Found[] = [];
  for (const url of [...urls, `${flowspan.collectorUrl}/metrics/bpf`, `${flowspan.collectorUrl}/status`])
    for (const accept of ['text/plain', 'application/openmetrics-text; version=1.0.0'])
      found.push([`${url} ${accept}`, await bytesOf(url, accept)]);
  return found;
}

async function bytesOf(url: string, accept = '*/*'): Promise<Buffer> {
  const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(60_000) });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error(`${url}: ${response.status} ${bytes.toString()}`);
  return bytes;
}

/** Answers of the query API: every list it has, and some requests with all their evidence. */
export async function answersOf(flowspan: Flowspan): Promise<Found[]> {
  const openapi = JSON.parse((await bytesOf(`${flowspan.queryApiUrl}/openapi.json`)).toString()) as {
    paths: Record<string, { get?: { parameters?: { name: string }[] } }>;
  };
  const ask = async (path: string): Promise<Found> => [path, await bytesOf(`${flowspan.queryApiUrl}${path}`)];
  const lists = Object.entries(openapi.paths).flatMap(([path, { get }]) => {
    if (get === undefined || path.includes('{') || path === '/v1/live') return [];
    const names = new Set(get.parameters?.map(({ name }) => name));
    const query = [names.has('since') ? 'since=15m' : '', names.has('limit') ? 'limit=5000' : ''].filter(Boolean);
    return [`${path}?${query.join('&')}`];
  });
  const found = await Promise.all(lists.map(ask));
  const requests = found.find(([path]) => path.startsWith('/v1/requests?'))?.[1] ?? Buffer.from('{"data":[]}');
  const { data } = JSON.parse(requests.toString()) as { data: { id: string }[] };
  const ids = data.slice(0, WHOLE_REQUESTS).map(({ id }) => encodeURIComponent(id));
  return [...found, ...(await Promise.all(ids.map((id) => ask(`/v1/requests/${id}`))))];
}

/** A watcher of a live feed. */
export interface Watch {
  received(): Buffer;
  close(): void;
}

export async function watch(url: string): Promise<Watch> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  const frames: Buffer[] = [];
  socket.on('message', (data: Buffer) => frames.push(data));
  await once(socket, 'open');
  return { received: () => Buffer.concat(frames), close: () => socket.terminate() };
}
