/**
 * Ends of connections and datagrams that do as they are told. Started by tests inside a namespace and a cgroup:
 *   talker.ts serve NAME:PORT…   on each port, TCP and UDP: tells its name to who connects, and says back what it hears
 *   talker.ts talk               reads an Order per line, answers each with a Told
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** What a talker is to do. `id` names a socket that stays open. */
export type Order =
  /** Connects, hears the name of who answers; stays open with an id, else closes. */
  | { do: 'connect'; host: string; port: number; id?: string }
  /** Says a word on an open connection and hears it back. */
  | { do: 'say'; id: string; word: string }
  /** Sends a datagram from a socket and waits for the answer; `connected`: connects the socket first. */
  | { do: 'send'; id: string; host: string; port: number; connected?: boolean; word?: string }
  | { do: 'bind'; host: string; port: number; protocol: 'tcp' | 'udp' }
  | { do: 'close'; id: string };

/** What became of it. */
export interface Told {
  /** Error code. */
  error?: string;
  /** Who answered, or what. */
  answer?: string;
  /** Address and port of the peer, as the socket tells it. */
  peer?: string;
}

const ANSWER_MS = 3000;

function serve(names: readonly string[]): void {
  for (const each of names) {
    const [name = '', port = ''] = each.split(':');
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {});
      socket.write(`${name}\n`);
      socket.on('data', (said) => socket.write(said));
    });
    server.listen({ host: '::', port: Number(port) });
    for (const type of ['udp4', 'udp6'] as const) {
      const udp = createSocket({ type, ipv6Only: type === 'udp6' });
      udp.on('message', (said, from) => udp.send(`${name} ${said}`, from.port, from.address));
      udp.bind(Number(port));
    }
  }
}

const connections = new Map<string, Socket>();
const sockets = new Map<string, UdpSocket>();

async function hear(socket: Socket): Promise<string> {
  const [said] = (await once(socket, 'data')) as [Buffer];
  return said.toString().trim();
}

async function dial(host: string, port: number, id: string | undefined): Promise<Told> {
  const socket = connect({ host, port, noDelay: true });
  const answer = await hear(socket);
  const peer = `${socket.remoteAddress} ${socket.remotePort}`;
  if (id === undefined) socket.destroy();
  else connections.set(id, socket);
  return { answer, peer };
}

async function send(order: Order & { do: 'send' }): Promise<Told> {
  const { id, host, port, connected, word = '?' } = order;
  let socket = sockets.get(id);
  if (socket === undefined) {
    socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    sockets.set(id, socket);
    socket.on('error', () => {});
    if (connected) {
      socket.connect(port, host);
      await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWER_MS) });
    }
  }
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_MS) });
  answered.catch(() => {});
  const udp = socket;
  await new Promise<void>((resolve, reject) => {
    const sent = (error: Error | null) => (error === null ? resolve() : reject(error));
    if (connected) udp.send(word, sent);
    else udp.send(word, port, host, sent);
  });
  const [said, from] = (await answered) as [Buffer, RemoteInfo];
  const peer = connected ? udp.remoteAddress() : from;
  return { answer: said.toString(), peer: `${peer.address} ${peer.port}` };
}

async function bind(host: string, port: number, protocol: 'tcp' | 'udp'): Promise<Told> {
  if (protocol === 'udp') {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.bind(port, host);
    await once(socket, 'listening').finally(() => socket.close());
    return {};
  }
  const server = createServer();
  server.listen({ host, port });
  await once(server, 'listening');
  server.close();
  return {};
}

async function obey(order: Order): Promise<Told> {
  if (order.do === 'connect') return dial(order.host, order.port, order.id);
  if (order.do === 'send') return send(order);
  if (order.do === 'bind') return bind(order.host, order.port, order.protocol);
  if (order.do === 'close') {
    connections.get(order.id)?.destroy();
    sockets.get(order.id)?.close();
    connections.delete(order.id);
    sockets.delete(order.id);
    return {};
  }
  const socket = connections.get(order.id);
  if (socket === undefined) throw new Error(`no connection ${order.id}`);
  socket.write(order.word);
  return { answer: await hear(socket), peer: `${socket.remoteAddress} ${socket.remotePort}` };
}

if (process.argv[2] === 'serve') serve(process.argv.slice(3));
else if (process.argv[2] === 'talk') {
  for await (const line of createInterface({ input: process.stdin })) {
    const told = await obey(JSON.parse(line)).catch(
      (error: NodeJS.ErrnoException): Told => ({
        error: error.code ?? error.message,
      }),
    );
    process.stdout.write(`${JSON.stringify(told)}\n`);
  }
}
