/**
 * A client and a server for traffic whose every byte is chosen by the test. Started by tests inside a namespace:
 *   talker.ts tcp-echo PORT                        echoes, on IPv4 and IPv6
 *   talker.ts tcp-talk HOST PORT CONNECTIONS ROUNDS BYTES   prints `done` when every echo has come; keeps all open
 *   talker.ts tcp-reset HOST PORT CONNECTIONS      connects and resets each connection
 *   talker.ts tcp-connect HOST PORT CONNECTIONS    connects and closes each connection; prints the error codes met
 *   talker.ts http HOST PORT GAP_MS PATH...        asks for one path after the other over one connection, with pauses
 *   talker.ts udp-echo PORT                        echoes
 *   talker.ts udp-talk HOST PORT SOCKETS ROUNDS BYTES       prints `done` when every echo has come; keeps all open
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Place, type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';

const FILE = fileURLToPath(import.meta.url);

/** Starts one of the talkers above and leaves it running. */
export function startTalker(place: Place, ...args: (string | number)[]): Program {
  return start(place, [process.execPath, FILE, ...args.map(String)]);
}

/** Runs one of the talkers above to its end and returns what it printed. */
export function runTalker(place: Place, ...args: (string | number)[]): Promise<string> {
  return run(place, [process.execPath, FILE, ...args.map(String)]);
}

/** Resolves when the talker has printed `done`. */
export async function done(talker: Program, timeoutMs = 60_000): Promise<void> {
  await eventually(
    'the talker',
    () => {
      if (talker.process.exitCode !== null) throw new Error(`the talker ended early\n${talker.output()}`);
      return talker.output().includes('done');
    },
    timeoutMs,
  );
}

async function tcpTalk(host: string, port: number, connections: number, rounds: number, bytes: number): Promise<void> {
  const talk = async (): Promise<void> => {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    for (let round = 0; round < rounds; round += 1) {
      socket.write(Buffer.alloc(bytes, round));
      let missing = bytes;
      while (missing > 0) missing -= ((await once(socket, 'data')) as [Buffer])[0].length;
    }
  };
  await Promise.all(Array.from({ length: connections }, talk));
  process.stdout.write('done\n');
}

async function tcpEach(host: string, port: number, connections: number, act: (socket: Socket) => void): Promise<void> {
  for (let index = 0; index < connections; index += 1) {
    const socket = connect({ host, port });
    try {
      await once(socket, 'connect');
      act(socket);
    } catch (error) {
      process.stdout.write(`${(error as NodeJS.ErrnoException).code}\n`);
    }
    if (!socket.destroyed) await once(socket, 'close');
  }
}

async function http(host: string, port: number, gapMs: number, paths: readonly string[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const path of paths) {
    const [response] = await once(get({ host, port, path, agent }), 'response');
    response.resume();
    await once(response, 'end');
    await sleep(gapMs);
  }
  agent.destroy();
}

async function udpTalk(host: string, port: number, sockets: number, rounds: number, bytes: number): Promise<void> {
  const talk = async (): Promise<void> => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    for (let round = 0; round < rounds; round += 1) {
      socket.send(Buffer.alloc(bytes, round), port, host);
      await once(socket, 'message');
    }
  };
  await Promise.all(Array.from({ length: sockets }, talk));
  process.stdout.write('done\n');
}

function udpEcho(port: number): void {
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (message, peer) => socket.send(message, peer.port, peer.address));
    socket.bind(port);
  }
}

if (import.meta.main) {
  const [mode, ...words] = process.argv.slice(2);
  const host = words[0] ?? '';
  const [port = 0, count = 0, rounds = 0, bytes = 0] = words.slice(1).map(Number);
  if (mode === 'tcp-echo') {
    createServer({ noDelay: true }, (socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(host), '::');
  } else if (mode === 'tcp-talk') await tcpTalk(host, port, count, rounds, bytes);
  else if (mode === 'tcp-reset') {
    await tcpEach(host, port, count, (socket) => socket.resetAndDestroy());
  } else if (mode === 'tcp-connect') await tcpEach(host, port, count, (socket) => socket.resume().end());
  else if (mode === 'http') await http(host, port, count, words.slice(3));
  else if (mode === 'udp-echo') udpEcho(Number(host));
  else if (mode === 'udp-talk') await udpTalk(host, port, count, rounds, bytes);
  else throw new Error(`there is no talker ${mode}`);
}
