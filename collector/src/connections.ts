/**
 * Keeps a server reachable however many connections are opened to it: a bounded number at once, of which one address has
 * at most half; when there is no more room, connections that ask nothing make room for new ones. Requests that come too
 * slowly are ended.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** Most connections at once. */
const MOST = 1024;
/** Most of one address, unless there is but one. */
const MOST_OF_ONE = MOST / 2;

/** Longest that the head of a request may take to arrive, from the connection on if it is the first, milliseconds. */
const HEAD_MS = 4_000;

/** Options of http.createServer that bound how slowly requests come; what is late is answered within 5 s. */
export const SLOW_REQUESTS = {
  headersTimeout: HEAD_MS,
  // The default looks every 30 s.
  connectionsCheckingInterval: 500,
} as const;

/** What is told to a client that is refused, as a whole HTTP/1.1 answer. */
export interface Refusals {
  /** There is no room for its connection. */
  readonly full: string;
  /** Its request came too slowly (ERR_HTTP_REQUEST_TIMEOUT), is too large or makes no sense. */
  readonly bad: (code: string) => string;
}

interface Address {
  connections: number;
  /** Those without a request, the one that has been so for longest first. */
  readonly idle: Set<Socket>;
}

/** An HTTP/1.1 answer after which the connection is closed. */
export function lastAnswer(status: string, headers: Readonly<Record<string, string | number>>, body: string): string {
  const all = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Status line of an error of Node's HTTP parser. */
export function statusOf(code: string): string {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return '400 Bad Request';
}

/** Guards a server made with SLOW_REQUESTS. Call it before the server listens. */
export function guardConnections(server: Server, refusals: Refusals): void {
  const addresses = new Map<string, Address>();
  let connections = 0;

  const makeRoom = (address: Address): boolean => {
    const crowded = address.connections >= MOST_OF_ONE;
    if (!crowded && connections < MOST) return true;
    const victim = (crowded ? address : mostIdle(addresses.values())).idle.values().next().value;
    victim?.destroy();
    return victim !== undefined;
  };

  server.on('connection', (socket: Socket) => {
    const name = socket.remoteAddress ?? '';
    const address = addresses.get(name) ?? { connections: 0, idle: new Set() };
    addresses.set(name, address);
    const room = makeRoom(address);
    address.connections++;
    connections++;
    address.idle.add(socket);
    socket.once('close', () => {
      address.idle.delete(socket);
      address.connections--;
      connections--;
      if (address.connections === 0) addresses.delete(name);
    });
    if (!room) {
      socket.on('error', () => socket.destroy());
      socket.end(refusals.full, () => socket.destroy());
    }
  });
  const busy = ({ socket }: IncomingMessage) => addresses.get(socket.remoteAddress ?? '')?.idle.delete(socket);
  server.prependListener('request', (request, response) => {
    const { socket } = request;
    const address = addresses.get(socket.remoteAddress ?? '');
    busy(request);
    response.once('close', () => {
      if (!socket.destroyed) address?.idle.add(socket);
    });
  });
  // A WebSocket is never idle. A listener of our own would keep Node from refusing upgrades where there are none.
  server.on('newListener', function watch(event) {
    if (event !== 'upgrade') return;
    server.off('newListener', watch);
    server.on('upgrade', busy);
  });
  if (server.listenerCount('upgrade') > 0) server.prependListener('upgrade', busy);
  server.removeAllListeners('clientError');
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    socket.end(refusals.bad(error.code ?? ''), () => socket.destroy());
  });
}

/** Of those with idle connections the one with most connections; one without any if there is none. */
function mostIdle(addresses: Iterable<Address>): Address {
  let most: Address = { connections: 0, idle: new Set() };
  for (const address of addresses) {
    if (address.idle.size > 0 && address.connections > most.connections) most = address;
  }
  return most;
}
