/**
 * Whole collectors, one per node, while the API server is away, has forgotten, is silent, slow or overloaded, and pods
 * come and go all the same: no row has a wrong name, who was known stays known, and the server is asked a few times only.
 * FLOWSPAN_SOAK=1: the server is away for ten minutes instead of seconds.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RESOURCES } from '../../collector/src/control/kubernetes/cluster.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import { type AwayScene, createAwayScene } from '../support/kubernetes/away_scene.ts';
import { COLLECTOR_USER } from '../support/kubernetes/collector_account.ts';
import { whyNoControlPlane } from '../support/kubernetes/find.ts';
import { overload } from '../support/kubernetes/overload.ts';

const SOAK = process.env.FLOWSPAN_SOAK === '1';
/** How long each trouble lasts, seconds. */
const LASTS_S = SOAK
  ? { away: 600, forgotten: 60, silent: 300, overloaded: 120 }
  : { away: 4, forgotten: 2, silent: 5, overloaded: 4 };
type Trouble = keyof typeof LASTS_S;
/** Longest silence of the server that collectors take where it falls silent, seconds; in a soak their default. */
const SILENCE_S = SOAK ? undefined : 2;
/** The collectors wait up to a minute between two attempts. */
const BACK_MS = SOAK ? 150_000 : 60_000;
/** Longest that the store's answers take to become right after the news have come, milliseconds. */
const LATE_MS = 10_000;
/** What a server that is slow has to send: pods on a node that is not there. */
const FILLERS = 50;
/** Requests of every round, by four pods of each other; both ends have a row of each. */
const ROWS = 4 * 3 * 2;

/** How a trouble begins and ends. */
interface Course {
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
  /** Whether pods can come and go in it. Default: true. */
  readonly handsOn?: boolean;
}

/** Attempts of one reflector within so many seconds: the waits between them double from 0.8 to 30 s. */
function mostAttempts(seconds: number): number {
  let attempts = 2;
  for (let at = 0, wait = 0.8; at < seconds; at += wait, wait = Math.min(2 * wait, 30)) attempts += 1;
  return attempts;
}

describe('an API server that is away', { skip: whyNot() ?? whyNoControlPlane() ?? false }, () => {
  let scene: AwayScene;

  before(async () => {
    scene = await createAwayScene();
  });
  afterEach(async () => {
    await scene?.stopCollectors();
    await scene?.proxy.set('open');
  });
  after(() => scene?.end());

  /** Into a trouble and out of it; the address that moves is handed on in it, if it can, and after it. */
  async function endure(test: TestContext, trouble: Trouble, { begin, end, handsOn = true }: Course): Promise<void> {
    await scene.startCollectors(trouble === 'silent' ? SILENCE_S : undefined);
    await scene.move(`${trouble}-1`);
    await scene.news('the first news', BACK_MS);
    await scene.ask(`${trouble}/before`);
    const sinceMs = Date.now();
    const listsBefore = await scene.metric('relists_total');
    await begin();
    const begunMs = Date.now();
    await scene.ask(`${trouble}/in`);
    if (handsOn) {
      await scene.move(`${trouble}-2`);
      await scene.ask(`${trouble}/handed-on`);
    }
    await sleep(Math.max(0, begunMs + LASTS_S[trouble] * 1000 - Date.now()));
    await scene.ask(`${trouble}/at-last`);
    const heard = await scene.heardMs();
    assert.ok(
      heard.every((ms) => ms > 0 && ms < begunMs + 1000),
      `since when the server is not heard is told: ${heard}, ${begunMs}`,
    );
    await end();
    await scene.move(`${trouble}-3`);
    await scene.news('news again', BACK_MS);
    await scene.ask(`${trouble}/after`);
    const tookS = (Date.now() - sinceMs) / 1000;
    const lists = await scene.metric('relists_total');
    const more = lists.map((each, index) =>
      [...each].map(([resource, count]) => ({ resource, lists: count - (listsBefore[index]?.get(resource) ?? 0) })),
    );
    const ofPods = more.flat().filter(({ resource }) => resource === 'pods');
    await judgeRows(test, trouble, { handsOn, listed: ofPods.some((each) => each.lists > 0) });
    judgeRequests(test, trouble, sinceMs, tookS);
    for (const each of more.flat()) assert.ok(each.lists <= 1, `${each.lists} lists of ${each.resource}`);
    if (trouble === 'forgotten') for (const each of ofPods) assert.equal(each.lists, 1, 'what was missed is listed');
  }

  /** The rows of a trouble, both ends as they are named and as they are. */
  async function rowsOf(trouble: Trouble) {
    const rows = await scene.store.query<
      Record<'http_path' | 'observation_point' | 'source_name' | 'destination_name', string>
    >(
      `SELECT http_path, observation_point, source_name, destination_name FROM requests_named
       WHERE http_path LIKE '/${trouble}/%'`,
    );
    return rows.map(({ http_path, observation_point, source_name, destination_name }) => {
      const [, , when = '', from = '', to = ''] = http_path.split('/');
      const ends = [
        { is: from, told: source_name },
        { is: to, told: destination_name },
      ];
      return { row: `${when}, ${from} -> ${to}, ${observation_point}: ${source_name} -> ${destination_name}`, ends };
    });
  }

  /**
   * Nobody is taken for another, and everybody is known that the API server has told of.
   * @param listed what happened meanwhile was not told one by one
   */
  async function judgeRows(
    test: TestContext,
    trouble: Trouble,
    { handsOn, listed }: { handsOn: boolean; listed: boolean },
  ): Promise<void> {
    await Promise.all(scene.collectors.map((each) => each.settled()));
    // What was stamped before the news came is corrected by it; names come a moment after the news.
    const isRight = async () => (await rowsOf(trouble)).every(({ ends }) => ends.every(({ is, told }) => told === is));
    await eventually('every name', isRight, LATE_MS).catch(() => undefined);
    const rows = await rowsOf(trouble);
    const [{ corrected } = { corrected: 0 }] = await scene.store.query<{ corrected: number }>(
      `SELECT toUInt32(countIf(stamped_source_endpoint_id != source_endpoint_id)
         + countIf(stamped_destination_endpoint_id != destination_endpoint_id)) AS corrected
       FROM requests_resolved WHERE http_path LIKE '/${trouble}/%'`,
    );
    const unknown = rows.flatMap(({ ends }) => ends).filter(({ told }) => told === '').length;
    test.diagnostic(`${trouble}: of ${2 * rows.length} ends ${unknown} are unknown, ${corrected} were corrected late`);
    // Nobody could know whom the address was handed on to while the server was not heard.
    if (handsOn) assert.ok(corrected > 0, 'ends were corrected');
    assert.equal(rows.length, (handsOn ? 5 : 4) * ROWS);
    const wrong = rows.filter(({ ends }) =>
      // Of a pod that came and went before the server was heard again nothing but its UID is to be had.
      ends.some(({ is, told }) => told !== is && (told !== '' || !listed || is !== `${trouble}-2`)),
    );
    assert.deepEqual(
      wrong.map(({ row }) => row),
      [],
    );
  }

  /** What the API server has heard of both collectors. */
  function judgeRequests(test: TestContext, trouble: Trouble, sinceMs: number, tookS: number): void {
    const heard = scene.audit.read(sinceMs);
    const reflectors = scene.collectors.length * RESOURCES.length;
    const lists = heard.filter(({ isList, status }) => isList && status === 200).length;
    test.diagnostic(
      `${trouble}: ${reflectors} reflectors sent ${heard.length} requests in ${tookS.toFixed(1)} s, ${lists} lists`,
    );
    assert.ok(lists <= reflectors, `${lists} lists`);
    assert.ok(heard.length <= reflectors * mostAttempts(tookS), `${heard.length} requests in ${tookS} s`);
  }

  it('killed and started again', (test) => {
    const { plane } = scene;
    return endure(test, 'away', { begin: plane.stopApiServer, end: plane.startApiServer, handsOn: false });
  });

  it('that has forgotten what collectors know (410), and is slow to say it all', async (test) => {
    const { plane, proxy } = scene;
    const filler = (_: unknown, index: number) =>
      plane.admin.create({
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: `filler-${index}`, namespace: 'default' } },
        spec: { nodeName: 'nowhere', containers: [{ name: 'main', image: 'registry.invalid/x:1' }] },
      });
    await Promise.all(Array.from({ length: FILLERS }, filler));
    const end = async () => {
      await plane.stopApiServer();
      await plane.startApiServer();
      await proxy.set('slow');
    };
    await endure(test, 'forgotten', { begin: () => proxy.set('closed'), end });
  });

  it('whose connections fall silent', (test) => {
    const { proxy } = scene;
    return endure(test, 'silent', { begin: () => proxy.set('silent'), end: () => proxy.set('open') });
  });

  it('that is overloaded (429)', async (test) => {
    const { plane, account, proxy, audit } = scene;
    const sinceMs = Date.now();
    let relieve = async () => {};
    const begin = async () => {
      relieve = await overload(plane, account, COLLECTOR_USER);
      proxy.cut();
    };
    await endure(test, 'overloaded', { begin, end: () => relieve() }).finally(() => relieve());
    const refused = audit.read(sinceMs).filter(({ status }) => status === 429).length;
    test.diagnostic(`${refused} requests were refused`);
    assert.ok(refused >= 2 * RESOURCES.length, 'each reflector was refused');
  });
});
