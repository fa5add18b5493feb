/** A sink that is slow or dead stalls alone: the others see each request as soon as ever, and nothing is lost. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import { openSinks, SINKS, type Sink, type Sinks } from './support/sinks.ts';

/** Stated bound of what a healthy sink waits while another one is stalled; most of it is this machine's own slowness. */
const BOUND_MS = 8000;
/** Requests that the stalled sink does not get meanwhile. */
const REQUESTS = 2000;
const READERS = 3;
const LORISES = 40;

describe('a stalled sink stalls alone', { skip: whyNot() ?? false }, () => {
  let sinks: Sinks;
  let sockets: Socket[] = [];
  before(async () => {
    sinks = await openSinks();
    await sinks.see('first', SINKS, 30_000);
  });
  afterEach(async () => {
    for (const proxy of [sinks.clickhouse, sinks.otlp]) {
      await proxy.set('open');
      proxy.cut();
    }
    for (const socket of sockets) socket.destroy();
    sockets = [];
  });
  after(() => sinks.end());

  const others = (stalled: Sink) => SINKS.filter((sink) => sink !== stalled);

  /** Stalls one sink, and looks at the others before, while and after there is much for it. */
  async function stallOne(name: string, stalled: Sink | undefined, stall: () => Promise<void>): Promise<void> {
    const seen = stalled === undefined ? SINKS : others(stalled);
    await stall();
    await sinks.see(`${name}-before`, seen, BOUND_MS);
    await sinks.ask(`${name}-load`, REQUESTS);
    await sinks.see(`${name}-after`, seen, BOUND_MS);
    const health = await fetch(`${sinks.flowspan.collectorUrl}/healthz`, { signal: AbortSignal.timeout(BOUND_MS) });
    assert.equal(health.status, 200);
  }

  /** Connections to the collector that say so much, and never read. */
  async function openSockets(count: number, text: string): Promise<void> {
    const { port } = new URL(sinks.flowspan.collectorUrl);
    for (let opened = 0; opened < count; opened += 1) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.pause();
      socket.on('error', () => undefined);
      sockets.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(text);
    }
  }

  async function assertAllStored(name: string): Promise<void> {
    await eventually(`rows of ${name}`, async () => (await sinks.stored(`${name}-load`)) >= 2 * REQUESTS, 30_000);
    assert.equal(await sinks.stored(`${name}-load`), 2 * REQUESTS);
  }

  it('ClickHouse that takes connections and never answers', async () => {
    await stallOne('clickhouse', 'clickhouse', () => sinks.clickhouse.set('silent'));
    assert.equal(await sinks.stored('clickhouse-load'), 0);
    await sinks.clickhouse.set('open');
    sinks.clickhouse.cut();
    await assertAllStored('clickhouse');
  });

  it('an OpenTelemetry Collector that never answers', async () => {
    await stallOne('otlp', 'otlp', () => sinks.otlp.set('silent'));
    await assertAllStored('otlp');
  });

  it('live subscribers that never read', async () => {
    const upgrade = [
      'GET /live HTTP/1.1',
      'Host: x',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ];
    await stallOne('live', undefined, () => openSockets(READERS, `${upgrade.join('\r\n')}\r\n\r\n`));
    await assertAllStored('live');
    const status = await fetch(`${sinks.flowspan.collectorUrl}/status`, { signal: AbortSignal.timeout(BOUND_MS) });
    const { discards } = (await status.json()) as { discards: { live_row_skipped: number } };
    assert.ok(discards.live_row_skipped > 0, 'nothing was too much for those who do not read');
  });

  it('scrapes that never read, and heads that never end', async () => {
    await stallOne('scrape', undefined, async () => {
      await openSockets(READERS, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200));
      await openSockets(LORISES, 'GET /metrics HTTP/1.1\r\nHost: x\r\nX-');
    });
    await assertAllStored('scrape');
  });

  it('after all of it nothing was lost', async () => {
    await sinks.flowspan.settled();
    assert.deepEqual(await sinks.flowspan.losses(), []);
  });
});
