/**
 * Secrets on the wire are found nowhere: not in spool, store, spans, metrics, logs, live feed and answers, whatever
 * message they stood in. A word that is kept by design is found in each of them, so that the search is known to see.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loseFirstWith } from '../../deploy/lab/loss.ts';
import { listening, type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { temporaryFolder, whyNot } from '../support/flowspan.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { createWorld, type World } from '../support/world.ts';
import { Canaries } from './canaries/canary.ts';
import { type Conversation, conversations, response } from './canaries/places.ts';
import {
  answersOf,
  type Found,
  filesOf,
  metricsOf,
  rowsOf,
  type SpanSink,
  startSpanSink,
  type Watch,
  watch,
} from './canaries/sinks.ts';

const PEERS = fileURLToPath(new URL('canaries/peers.ts', import.meta.url));
const PORT = 8000;
/** Of nginx, which accepts only once there is something to read. */
const DEFERRED_PORT = 8001;

describe('secrets on the wire', { skip: whyNot() ?? false }, () => {
  const canaries = new Canaries();
  /** Stands in an ordinary path segment, and is kept. */
  const control = `control${randomBytes(6).toString('hex')}`;
  let world: World;
  let spans: SpanSink;
  let server: Program;
  let nginx: Nginx;
  let watches: Watch[];
  let lost: () => number;

  /** What of this leaked; and that the control is there, where it can be seen. */
  function nothingIn(found: readonly Found[], holdsControl: boolean): void {
    const leaks = found.flatMap(([name, bytes]) => canaries.foundIn(bytes).map((place) => `${name}: ${place}`));
    assert.deepEqual(leaks, []);
    assert.ok(
      !holdsControl || found.some(([, bytes]) => bytes.includes(control)),
      `the control was not found in ${found.map(([name]) => name).join(', ')}`,
    );
  }

  async function say(said: readonly [port: number, conversation: Conversation][]): Promise<void> {
    const file = join(temporaryFolder(), 'said.json');
    writeFileSync(file, JSON.stringify(said));
    await run(world.client, [process.execPath, PEERS, 'say', world.serverAddress.ipv4, file]);
  }

  before(async () => {
    spans = await startSpanSink();
    world = await createWorld({
      processes: ['store', 'collector', 'query-api'],
      env: {
        FLOWSPAN_OTLP_ENDPOINT: spans.endpoint,
        FLOWSPAN_COLLECTOR_SPANS_RATIO: '1',
        FLOWSPAN_LOG_LEVEL: 'trace',
      },
    });
    server = start(world.server, [process.execPath, PEERS, 'serve', String(PORT), response(canaries)]);
    nginx = await startNginx(world.server, { port: DEFERRED_PORT, listen: 'deferred' });
    await listening(world.server.namespace, PORT);
    const { queryApiUrl, collectorUrl } = world.flowspan;
    watches = [await watch(`${queryApiUrl}/v1/live`), await watch(`${collectorUrl}/live`)];
    const again = canaries.make('query: in a segment that was lost and sent again');
    lost = loseFirstWith(world.server.namespace, again);
    const { good, other } = conversations(canaries);
    // away, as a server that does not answer: what was seen waits in the spool
    process.kill(world.flowspan.pid('store'), 'SIGSTOP');
    await say([
      [PORT, [`GET /canary/again?a=${again} HTTP/1.1\r\nHost: shop.example\r\n\r\n`]],
      ...good.flatMap((conversation): [number, Conversation][] => [
        [PORT, conversation],
        [DEFERRED_PORT, conversation],
      ]),
      ...other.map((conversation): [number, Conversation] => [PORT, conversation]),
      [PORT, [`GET /${control} HTTP/1.1\r\nHost: shop.example\r\n\r\n`]],
    ]);
  });

  after(async () => {
    process.kill(world?.flowspan.pid('store') ?? process.pid, 'SIGCONT');
    for (const one of watches ?? []) one.close();
    await nginx?.stop();
    await server?.stop();
    await world?.end();
    await spans?.stop();
  });

  it('are not in the spool, nor in any other file, while the store is away', async () => {
    try {
      const spool = await eventually('the last request in the spool', () => {
        const files = filesOf(world.flowspan.dataDir).filter(([name]) => name.startsWith('spool'));
        return files.some(([, bytes]) => bytes.includes(control)) && files;
      });
      nothingIn(spool, true);
      nothingIn(filesOf(world.flowspan.dataDir), true);
    } finally {
      process.kill(world.flowspan.pid('store'), 'SIGCONT');
    }
  });

  it('are found by the search when they are there, in every form', () => {
    const { needle, place } = canaries.all[0]!;
    const percent = needle.replace(/./g, (char) => `%${char.charCodeAt(0).toString(16)}`);
    for (const text of [needle, percent, ...['', 'a', 'bc'].map((before) => btoa(`${before}${needle}behind`))])
      assert.deepEqual(canaries.foundIn(Buffer.from(`.${text}.`)), [place], text);
  });

  it('were said: the requests of all conversations that are none but good were seen at both ends', async () => {
    await world.flowspan.settled();
    assert.ok(lost() > 0, 'a segment was lost');
    const rows = await world.flowspan.query<{ point: string; kinds: string; count: string }>(
      `SELECT toString(observation_point) AS point, toString(uniqExact(http_path)) AS kinds, toString(count()) AS count
       FROM requests WHERE startsWith(http_path, '/canary/') GROUP BY point ORDER BY point`,
    );
    assert.deepEqual(
      rows.map(({ point }) => point),
      ['client', 'server'],
    );
    for (const { count } of rows) assert.ok(Number(count) > canaries.all.length / 2, `${count} requests`);
  });

  it('are in no table of the store, nor in its files', async () => {
    nothingIn(await rowsOf(world.flowspan), true);
    nothingIn(
      filesOf(world.flowspan.dataDir).filter(([name]) => !name.startsWith('spool')),
      false,
    );
  });

  it('are in no span', async (t) => {
    t.diagnostic(`received by: ${spans.kind}`);
    await eventually('the spans', () => spans.received().includes(control), 20_000);
    nothingIn([['spans', spans.received()]], true);
  });

  it('are in no live feed', async () => {
    for (const [index, one] of watches.entries()) {
      await eventually('the last request, live', () => one.received().includes(control), 20_000);
      nothingIn([[`live feed ${index}`, one.received()]], true);
    }
  });

  it('are in no answer of the query API', async () => nothingIn(await answersOf(world.flowspan), true));

  it('are in no page of metrics and no log', async () => {
    nothingIn(await metricsOf(world.flowspan), false);
    nothingIn([['logs', Buffer.from(world.flowspan.output())]], false);
  });
});
