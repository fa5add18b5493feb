/** A little traffic that makes the kernel side write every kind of record, on loopback and within one cgroup. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, rmdirSync } from 'node:fs';
import http from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { openObject } from '../../../collector/native/addon.ts';

/** Requests made, one after the other, on one connection. */
export const REQUESTS = 10;

/** What must have been told when all of it is over, as `recordName` calls it. */
export const EXPECTED: readonly string[] = [
  'flow tcp',
  'flow udp',
  'request',
  'cgroup created',
  'cgroup removed',
  'retransmit syn',
  'retransmit syn_ack',
  'retransmit tail_loss_probe',
  'retransmit timeout',
  'retransmit fast',
  'reset_sent',
  'reset_received',
  'connect_failed',
  'zero_window',
  'accept_overflow',
  'drop',
];

const HOST = '127.0.0.1';
const STALLED_BYTES = 16 * 1024 ** 2;
const STALL_MS = 1500;
/** Longer than the kernel waits for an answer to a first SYN and SYN-ACK, 1 s. */
const DEAF_MS = 3500;
const CROWD = 12;
const BURST_WRITES = 40;
const BURST_BYTES = 8000;

const portOf = (server: Server): number => (server.address() as { port: number }).port;

async function listen(serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, HOST);
  await once(server, 'listening');
  return server;
}

function dial(port: number): Socket {
  return connect({ host: HOST, port, noDelay: true }).on('error', () => {});
}

/** Resolves when a socket is gone, however it went. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once('close', () => resolve()));
}

async function requests(): Promise<void> {
  const server = http.createServer((request, response) => {
    request.resume();
    response.end('hello');
  });
  await once(server.listen(0, HOST), 'listening');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < REQUESTS; i++) {
    const [response] = (await once(
      http.get({ host: HOST, port: portOf(server), path: `/items/${i}`, agent }),
      'response',
    )) as [http.IncomingMessage];
    await once(response.resume(), 'end');
  }
  agent.destroy();
  server.close();
}

async function datagrams(): Promise<void> {
  const [server, client] = [createSocket('udp4'), createSocket('udp4')];
  server.bind(0, HOST);
  await once(server, 'listening');
  client.send('hello', server.address().port, HOST);
  await once(server, 'message');
  client.close();
  server.close();
}

async function refusedConnect(): Promise<void> {
  const server = await listen(() => {});
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  await closed(dial(port));
}

async function resetConnection(): Promise<void> {
  const server = await listen((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const client = dial(portOf(server));
  client.write('reset me');
  await closed(client);
  server.close();
}

async function closedWindow(): Promise<void> {
  const server = await listen((socket) => {
    socket.pause();
    setTimeout(() => socket.resume().on('end', () => socket.end()), STALL_MS);
  });
  const client = dial(portOf(server));
  client.end(Buffer.alloc(STALLED_BYTES));
  await closed(client);
  server.close();
}

/** A thread that listens and never accepts; connections beyond its backlog wait for SYNs to be sent again. */
async function fullAcceptQueue(): Promise<void> {
  const thread = `
    const { parentPort } = require('node:worker_threads');
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '${HOST}', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${DEAF_MS});
    });`;
  const deaf = new Worker(thread, { eval: true });
  const [port] = (await once(deaf, 'message')) as [number];
  const crowd = Array.from({ length: CROWD }, () => dial(port));
  await sleep(DEAF_MS);
  for (const socket of crowd) socket.destroy();
  await deaf.terminate();
}

/** Connections whose packets another program loses. @param cgroup of this process */
async function lostPackets(cgroup: string): Promise<void> {
  const servers = new Map<string, Server>();
  const loser = openObject(fileURLToPath(new URL('../../../build/test/lose.bpf.o', import.meta.url)));
  for (const name of ['silent_port', 'holed_port', 'late_port']) {
    const server = await listen((socket) => socket.resume().on('end', () => socket.end()));
    servers.set(name, server);
    const port = Buffer.alloc(2);
    port.writeUInt16LE(portOf(server));
    loser.setGlobal(name, port);
  }
  loser.load();
  loser.attachCgroup('lose', cgroup);
  const clients = [...servers].map(([name, server]) => {
    const client = dial(portOf(server));
    const writes = name === 'holed_port' ? BURST_WRITES : 1;
    for (let i = 0; i < writes; i++) client.write(Buffer.alloc(BURST_BYTES));
    client.end();
    return closed(client);
  });
  await Promise.all(clients);
  loser.close();
  for (const server of servers.values()) server.close();
}

function cgroupBeginsAndEnds(cgroup: string): void {
  const child = join(cgroup, `child-${process.pid}`);
  mkdirSync(child);
  rmdirSync(child);
}

/** Makes the traffic. @param cgroup directory of the cgroup of this process, in which it may make others */
export async function smoke(cgroup: string): Promise<void> {
  cgroupBeginsAndEnds(cgroup);
  await Promise.all([
    requests(),
    datagrams(),
    refusedConnect(),
    resetConnection(),
    closedWindow(),
    fullAcceptQueue(),
    lostPackets(cgroup),
  ]);
}
