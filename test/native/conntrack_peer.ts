/**
 * What conntrack.test.ts runs inside namespaces. Usage: node test/native/conntrack_peer.ts MODE JSON
 * `serve` listens by TCP and UDP; `connect` opens connections, prints their own ports and keeps them until SIGTERM, which
 * resets them; `find` and `findOriginal` print what connection tracking answers; `cost` prints what a question costs.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { openConntrack } from '../../collector/native/addon.ts';

export const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** A connection to be opened. */
export interface Wanted {
  readonly protocol: keyof typeof PROTOCOLS;
  readonly address: string;
  readonly port: number;
}

/** A connection that connection tracking is asked for. */
export interface Question {
  readonly protocol: number;
  /** Addresses as 16 bytes in hexadecimal, IPv4 mapped. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

/** What find() or findOriginal() returned, and the bytes where they write, which were ff before. */
export interface Answer {
  readonly returned: number;
  readonly written: string;
}

/** Arena of a question: source, destination, room for the answer. */
const OUT = 32;
const OUT_BYTES = { find: 16, findOriginal: 36 } as const;

function arenaOf({ source, destination }: Question): Buffer {
  return Buffer.from(source + destination + 'ff'.repeat(36), 'hex');
}

const serve = async (ports: { readonly tcp: readonly number[]; readonly udp: readonly number[] }): Promise<void> => {
  for (const port of ports.tcp)
    await once(net.createServer((socket) => socket.on('error', () => {})).listen(port), 'listening');
  for (const port of ports.udp) {
    const socket = dgram.createSocket('udp6');
    socket.on('message', (message, { address, port: from }) => socket.send(message, from, address));
    await once(socket.bind(port), 'listening');
  }
  console.log('ready');
};

const connect = async (wanted: readonly Wanted[]): Promise<void> => {
  const sockets: net.Socket[] = [];
  const ports: number[] = [];
  for (const { protocol, address, port } of wanted) {
    if (protocol === 'tcp') {
      const socket = net.connect(port, address);
      await once(socket, 'connect');
      sockets.push(socket);
      ports.push(socket.localPort as number);
    } else {
      const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
      const answered = once(socket, 'message');
      socket.send('hello', port, address);
      await answered;
      ports.push(socket.address().port);
    }
  }
  process.on('SIGTERM', () => {
    for (const socket of sockets) socket.resetAndDestroy();
    setTimeout(() => process.exit(0), 20);
  });
  console.log(JSON.stringify(ports));
};

const ask = (way: keyof typeof OUT_BYTES, questions: readonly Question[]): void => {
  const conntrack = openConntrack();
  const answers = questions.map((question): Answer => {
    const arena = arenaOf(question);
    const { protocol, sourcePort, destinationPort } = question;
    const returned = conntrack[way](protocol, arena, 0, sourcePort, 16, destinationPort, OUT);
    return { returned, written: arena.toString('hex', OUT, OUT + OUT_BYTES[way]) };
  });
  conntrack.close();
  console.log(JSON.stringify(answers));
};

/** CPU time of a call in microseconds, and bytes of the heap that it leaves, for one question over and over. */
const cost = (question: Question): void => {
  const conntrack = openConntrack();
  const arena = arenaOf(question);
  const { protocol, sourcePort, destinationPort } = question;
  const turns = 20_000;
  const measure = (): { us: number; bytes: number } => {
    const [heap, cpu] = [process.memoryUsage().heapUsed, process.cpuUsage()];
    for (let i = 0; i < turns; i++) conntrack.find(protocol, arena, 0, sourcePort, 16, destinationPort, OUT);
    const { user, system } = process.cpuUsage(cpu);
    return { us: (user + system) / turns, bytes: (process.memoryUsage().heapUsed - heap) / turns };
  };
  // The first turns are compiled meanwhile.
  measure();
  console.log(JSON.stringify(measure()));
};

const MODES: Readonly<Record<string, (input: never) => unknown>> = {
  serve,
  connect,
  find: (questions: readonly Question[]) => ask('find', questions),
  findOriginal: (questions: readonly Question[]) => ask('findOriginal', questions),
  cost,
};

if (import.meta.main) {
  const [mode = '', input = ''] = process.argv.slice(2);
  await MODES[mode]?.(JSON.parse(input) as never);
}
