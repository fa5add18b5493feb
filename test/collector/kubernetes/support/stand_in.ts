/**
 * A stand-in for an API server, for what a real one does not do on demand: to be overloaded, to hang, to be torn, to
 * send huge objects. What can be had from a real one is tested with a real one (reflector_server.test.ts).
 */

import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { KubernetesApi } from '../../../../collector/src/control/kubernetes/api.ts';
import { Credentials } from '../../../../collector/src/control/kubernetes/credentials.ts';
import { temporaryFolder } from '../../../support/flowspan.ts';

/** What was asked. */
export interface Asked {
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  /** performance.now() at its arrival. */
  readonly atMs: number;
}

export type Answer = (response: ServerResponse, asked: Asked) => void;

export interface StandIn {
  /** A client of it. */
  readonly api: KubernetesApi;
  /** Where it is, for `kubeconfigFor`. */
  readonly url: string;
  /** Everything asked since `script`. */
  readonly asked: Asked[];
  /** The same in short: `list` for a streaming list, `page` for a paged one, `watch VERSION`. */
  questions(): string[];
  /** Connections accepted since the beginning. */
  connections(): number;
  /** From now on the requests are answered by these, in turn; the last one answers all that follow. */
  script(...answers: Answer[]): void;
  /** Breaks all connections. */
  cut(): void;
  stop(): void;
}

/** Writes a kubeconfig that leads to a server; @returns its path */
export function kubeconfigFor(server: string): string {
  const kubeconfig = join(temporaryFolder(), 'kubeconfig');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: { token: 'stand-in' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  return kubeconfig;
}

export async function startStandIn(): Promise<StandIn> {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  let answers: Answer[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const now = { url: new URL(request.url!, 'http://x'), headers: request.headers, atMs: performance.now() };
    asked.push(now);
    (answers.length > 1 ? answers.shift()! : answers[0]!)(response, now);
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/prefix`;
  const kubeconfig = kubeconfigFor(url);
  const api = new KubernetesApi(new Credentials({ kubeconfig }), 'flowspan-test');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    ...{ api, url },
    asked,
    questions: () => asked.map(({ url: { searchParams } }) => question(searchParams)),
    connections: () => connections,
    script: (...next) => {
      answers = next;
      asked.length = 0;
    },
    cut,
    stop: () => {
      api.close();
      cut();
      server.close();
    },
  };
}

function question(query: URLSearchParams): string {
  if (query.get('sendInitialEvents') === 'true') return 'list';
  return query.get('watch') === 'true' ? `watch ${query.get('resourceVersion')}` : 'page';
}

/** An object as the server sends it. */
export function object(name: string, version: number, more: object = {}) {
  const metadata = { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: String(version), ...more };
  return { kind: 'Pod', apiVersion: 'v1', metadata };
}

/** A line of a watch. */
export function line(type: string, what: object): string {
  return `${JSON.stringify({ type, object: what })}\n`;
}

/** The bookmark that ends a streaming list. */
export function endOfList(version: number): string {
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  return line('BOOKMARK', { kind: 'Pod', metadata: { resourceVersion: String(version), annotations } });
}

/** A Status object. */
export function status(code: number, reason: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: reason };
}

/** Answers with an error. */
export function refuse(code: number, reason = 'NotNow', headers: Record<string, string> = {}): Answer {
  return (response) => response.writeHead(code, headers).end(JSON.stringify(status(code, reason)));
}

/** Sends lines and leaves the watch open. */
export function watch(...lines: string[]): Answer {
  return (response) => {
    response.write(lines.join(''));
    if (lines.length === 0) response.flushHeaders();
  };
}

/** A list, of one page unless it says how to go on. */
export function list(items: readonly object[], version: number, next?: string): Answer {
  const metadata = { resourceVersion: String(version), ...(next === undefined ? {} : { continue: next }) };
  return (response) => response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }));
}
