/** A pod that does as it is told: one order a line on its standard input, one answer a line on its standard output. */
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** How long what may be dropped is waited for. */
const PATIENCE_MS = 400;

export interface Order {
  /** connect: open a TCP connection; say: wait for an echo on it; send: wait for an echo of a datagram. */
  readonly do: 'listen' | 'connect' | 'say' | 'send' | 'close';
  readonly host?: string;
  readonly port?: number;
  /** Names a connection or a UDP socket that stays open. */
  readonly id?: string;
}

/** `ok`, `nothing` if nobody answered, or the code of an error. */
export type Outcome = string;

const connections = new Map<string, Socket>();
const sockets = new Map<string, Datagrams>();

function within(begin: (done: (outcome: Outcome) => void) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('nothing'), PATIENCE_MS);
    begin((outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    });
  });
}

async function listen(port: number): Promise<Outcome> {
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => echo.listen({ port, host: '::' }, resolve));
  const datagrams = createSocket({ type: 'udp6' });
  datagrams
    .on('error', () => {})
    .on('message', (message, { port: from, address }) => datagrams.send(message, from, address));
  await new Promise<void>((resolve) => datagrams.bind(port, '::', resolve));
  return 'ok';
}

async function open({ host = '', port = 0, id }: Order): Promise<Outcome> {
  const socket = connect({ host, port });
  const outcome = await within((done) => {
    socket.once('connect', () => done('ok'));
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'));
  });
  if (id !== undefined && outcome === 'ok') connections.set(id, socket);
  else socket.destroy();
  return outcome;
}

function say(id: string): Promise<Outcome> {
  const socket = connections.get(id);
  return within((done) => {
    socket?.once('data', () => done('ok'));
    socket?.write('word');
  });
}

async function send({ host = '', port = 0, id }: Order): Promise<Outcome> {
  const known = id === undefined ? undefined : sockets.get(id);
  const socket = known ?? createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
  if (id !== undefined) sockets.set(id, socket);
  const outcome = await within((done) => {
    socket.once('message', () => done('ok'));
    socket.send('word', port, host, (error) => error && done((error as NodeJS.ErrnoException).code ?? 'error'));
  });
  socket.removeAllListeners('message');
  if (id === undefined) socket.close();
  return outcome;
}

function obey(order: Order): Promise<Outcome> {
  switch (order.do) {
    case 'listen':
      return listen(order.port ?? 0);
    case 'connect':
      return open(order);
    case 'say':
      return say(order.id ?? '');
    case 'send':
      return send(order);
    case 'close':
      connections.get(order.id ?? '')?.destroy();
      return Promise.resolve('ok');
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { number, orders } = JSON.parse(line) as { number: number; orders: Order[] };
  Promise.all(orders.map(obey)).then((outcomes) => process.stdout.write(`${JSON.stringify({ number, outcomes })}\n`));
}
