/**
 * A stand-in that speaks the API server's list and watch at the size of the largest clusters, as a process of its own,
 * so that what it costs is not the collector's. Prints its port. The objects have the size and the fields of real ones,
 * managedFields included. Usage: server.ts PODS SERVICES NODES CHANGES_PER_SECOND stream|pages
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { endpointSlice, namespace, node, pod, replicaSet, service } from './objects.ts';

const [pods = 0, services = 0, nodes = 0, changesPerSecond = 0] = process.argv.slice(2, 6).map(Number);
const streams = process.argv[6] !== 'pages';
const PER_SERVICE = Math.ceil(pods / services);
const VERSION = '1000000';
const PAGE = 500;

const COUNTS: Readonly<Record<string, [number, (index: number) => object]>> = {
  '/api/v1/pods': [pods, (index) => pod(index, nodes, PER_SERVICE)],
  '/api/v1/services': [services, service],
  '/apis/discovery.k8s.io/v1/endpointslices': [services, (index) => endpointSlice(index, nodes, PER_SERVICE)],
  '/api/v1/nodes': [nodes, node],
  '/api/v1/namespaces': [100, namespace],
  '/apis/apps/v1/replicasets': [services, replicaSet],
  '/apis/batch/v1/jobs': [0, () => ({})],
};

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

/** Writes many pieces, some at a time, as fast as they are taken. */
async function write(response: ServerResponse, count: number, piece: (index: number) => string): Promise<void> {
  for (let at = 0; at < count && !response.destroyed; at += 100) {
    let text = '';
    for (let index = at; index < Math.min(at + 100, count); index++) text += piece(index);
    if (!response.write(text)) await once(response, 'drain').catch(() => undefined);
  }
}

/** Pods of the watch get another version, one after the other. */
function change(response: ServerResponse): void {
  let version = Number(VERSION);
  const timer = setInterval(() => {
    for (let more = 0; more < changesPerSecond / 10; more++) {
      version += 1;
      const changed = pod(version % pods, nodes, PER_SERVICE, String(version));
      response.write(line('MODIFIED', changed));
    }
  }, 100);
  response.on('close', () => clearInterval(timer));
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams: query } = new URL(request.url!, 'http://x');
  const [count, make] = COUNTS[pathname] ?? [0, () => ({})];
  if (query.get('sendInitialEvents') === 'true') {
    if (!streams) {
      response
        .writeHead(422)
        .end(JSON.stringify({ kind: 'Status', code: 422, reason: 'Invalid', message: 'no streams' }));
      return;
    }
    await write(response, count, (index) => line('ADDED', make(index)));
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    response.write(line('BOOKMARK', { metadata: { resourceVersion: VERSION, annotations } }));
  } else if (query.get('watch') !== 'true') {
    const from = Number(query.get('continue') ?? 0);
    const to = Math.min(from + PAGE, count);
    const more = to < count ? { continue: String(to) } : {};
    response.write(`{"kind":"List","metadata":${JSON.stringify({ resourceVersion: VERSION, ...more })},"items":[`);
    await write(response, to - from, (index) => (index > 0 ? ',' : '') + JSON.stringify(make(from + index)));
    response.end(']}');
    return;
  } else response.flushHeaders();
  if (pathname === '/api/v1/pods') change(response);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
