/**
 * Applications whose connections outlive a collector. Usage: restart_peer.ts receive|answer PORT, or send|ask HOST PORT.
 * SIGUSR2 ends the client's connection in order, SIGUSR1 resets it. What happens is told on standard output.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer as createHttpServer, get } from 'node:http';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [what, ...rest] = process.argv.slice(2);
const say = (text: string) => process.stdout.write(`${text}\n`);
const BLOCK = Buffer.alloc(8_000, 'x');
const EVERY_MS = 4;
const ASK_EVERY_MS = 40;

/** Segments of a connection that were sent again, as ss tells. */
function retransmitted(localPort: number): number {
  const text = execFileSync('ss', ['-tinH', `sport = :${localPort}`], { encoding: 'utf8' });
  return Number(/retrans:\d+\/(\d+)/.exec(text)?.[1] ?? 0);
}

async function send(host: string, port: number): Promise<void> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  say('connected');
  let sent = 0;
  let ends = false;
  process.on('SIGUSR2', () => {
    ends = true;
  });
  process.on('SIGUSR1', () => {
    socket.once('close', () => say('reset'));
    socket.resetAndDestroy();
  });
  socket.on('error', () => {});
  while (!ends && !socket.destroyed) {
    sent += BLOCK.length;
    if (!socket.write(BLOCK)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    await sleep(EVERY_MS);
  }
  if (socket.destroyed) return;
  while (socket.writableLength > 0) await sleep(10);
  // Until the last byte is acknowledged, and a while longer.
  await sleep(1000);
  const localPort = socket.localPort as number;
  const first = retransmitted(localPort);
  await sleep(200);
  say(`retransmitted ${first} ${retransmitted(localPort)}`);
  socket.end();
  await once(socket, 'close');
  say(`sent ${sent}`);
}

async function ask(host: string, port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let ends = false;
  process.on('SIGUSR2', () => {
    ends = true;
  });
  for (let number = 1; !ends; number += 1) {
    const [answer] = await once(get({ host, port, agent, path: `/${number}` }), 'response');
    answer.resume();
    await once(answer, 'end');
    say(`asked ${number}`);
    await sleep(ASK_EVERY_MS);
  }
  agent.destroy();
  say('ended');
}

if (what === 'receive') {
  createServer((socket) => {
    socket.on('error', () => {});
    socket.resume();
  }).listen(Number(rest[0]));
} else if (what === 'answer') {
  createHttpServer((_, response) => response.end('ok')).listen(Number(rest[0]));
} else if (what === 'send') await send(rest[0] as string, Number(rest[1]));
else await ask(rest[0] as string, Number(rest[1]));
