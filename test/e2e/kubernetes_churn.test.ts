/**
 * Pods that come and go, 30 a second as far as the machine carries it, with addresses that are handed on within a second
 * and real connections throughout: between pods of one node, to pods of another node, which its own collector watches,
 * and from outside. Seconds here, ten minutes in kubernetes_churn.soak.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../deploy/lab/wait.ts';
import { whyNot } from '../support/flowspan.ts';
import { type Churned, churn } from '../support/kubernetes/churn/churn.ts';
import { Judge, OBSERVED, OF_NO_CONNECTION, STRIPPED, type Verdict } from '../support/kubernetes/churn/judge.ts';
import { type ChurnScene, createChurnScene } from '../support/kubernetes/churn/scene.ts';
import { whyNoControlPlane } from '../support/kubernetes/find.ts';

const SECONDS = process.env.FLOWSPAN_SOAK === '1' ? 600 : 8;
const PODS_PER_SECOND = 30;
/** For rows to be stored; a busy machine takes its time after ten minutes. */
const PATIENCE_MS = process.env.FLOWSPAN_SOAK === '1' ? 300_000 : 60_000;
const LEAST_PODS = 100;
const PLACES = 40;
/** Share of ends that must be known after the late correction. */
const RESOLVED = 0.999;

const told = (end: 'source' | 'destination') => `${end}_endpoint_id`;
const stamped = (end: 'source' | 'destination') => `stamped_${end}_endpoint_id`;

describe('identity while pods come and go', { skip: whyNot() ?? whyNoControlPlane() ?? false }, () => {
  let scene: ChurnScene;
  let judge: Judge;
  let churned: Churned;

  before(async () => {
    scene = await createChurnScene(PLACES);
    judge = new Judge(scene);
    const { plane, nodes, places } = scene;
    churned = await churn({
      ...{ admin: plane.admin, nodes, places, podsPerSecond: PODS_PER_SECOND },
      ...{ seconds: SECONDS, leastPods: LEAST_PODS },
    });
    await scene.quiet();
    for (const collector of scene.collectors) {
      const settled = () =>
        collector.settled().then(
          () => true,
          () => false,
        );
      await eventually('all that a collector has seen to be stored', settled, PATIENCE_MS);
    }
    await eventually('the end of every pod', () => judge.allEnded(churned.pods.length), PATIENCE_MS);
    await judge.prepare(churned.pods);
  });
  after(async () => {
    await judge?.close();
    await scene?.end();
  });

  /**
   * Nothing is wrong, and nearly all is known that tells of a connection. A stray packet, of no connection, may have the
   * addresses and ports that another connection has by now.
   */
  function assertKnown(verdicts: readonly Verdict[], leastKinds: number): void {
    // In seconds there may be no event that a server's end did not see as well.
    assert.ok(verdicts.filter(isOfConnection).length >= leastKinds, JSON.stringify(verdicts));
    for (const verdict of verdicts) {
      const { what, rows, wrong } = verdict;
      assert.ok(rows > 0, `${what}: no rows`);
      const mostWrong = isOfConnection(verdict) ? 0 : Math.floor(rows / 1000);
      assert.ok(wrong <= mostWrong, `${what}: ${wrong} of ${rows} rows are wrong`);
    }
    for (const { what, rows, unknown } of verdicts.filter(isOfConnection))
      assert.ok(unknown <= rows * (1 - RESOLVED), `${what}: ${unknown} of ${rows} rows are unknown`);
  }
  const isOfConnection = ({ what }: Verdict) => !what.startsWith(OF_NO_CONNECTION);
  const said = (verdicts: readonly Verdict[]) =>
    verdicts
      .map(({ what, rows, unknown, wrong }) => `${what}: ${rows} rows, ${unknown} unknown, ${wrong} wrong`)
      .join('; ');

  it('is churn: addresses go from hand to hand within a second', (test) => {
    const { pods, seconds, gapsMs, moved } = churned;
    const middle = gapsMs[gapsMs.length >> 1] as number;
    test.diagnostic(
      `${pods.length} pods in ${seconds.toFixed(1)} s (${(pods.length / seconds).toFixed(1)} a second), ${gapsMs.length} addresses handed on, ${moved} to another node, half of them within ${Math.round(middle)} ms`,
    );
    assert.ok(gapsMs.filter((ms) => ms < 1000).length > 10, 'few addresses were handed on within a second');
    assert.ok(moved > 10, 'few addresses were handed to another node');
  });

  it('is right about both ends of what its nodes saw', async (test) => {
    const own = await judge.ownEnds(OBSERVED);
    const others = await judge.otherEnds(OBSERVED, told);
    test.diagnostic(`observed ends: ${said(own)}`);
    test.diagnostic(`other ends, resolved: ${said(others)}`);
    test.diagnostic(`other ends that were told by address, as stamped: ${said(await judge.byAddress(stamped))}`);
    test.diagnostic(`the same, resolved: ${said(await judge.byAddress(told))}`);
    assertKnown(own, 3);
    assertKnown(others, 3);
  });

  it('names pods that lived 300 ms', async (test) => {
    const short = await judge.shortLived();
    const lives = short.map(({ lifeMs }) => lifeMs);
    test.diagnostic(
      `${short.length} pods that were to live 300 ms have connections; they lived ${lives[0]} to ${lives.at(-1)} ms`,
    );
    assert.ok(short.length > 0);
    assert.deepEqual(
      short.filter(({ name, told }) => name !== told),
      [],
    );
  });

  it('knows from addresses and times alone who was who, as soon as they are told', async (test) => {
    const before = [...(await judge.ownEnds(STRIPPED)), ...(await judge.otherEnds(STRIPPED, told))];
    assert.ok(
      before.every(({ rows, unknown }) => rows === unknown),
      `nothing is known at first: ${said(before)}`,
    );
    const atFirst = await judge.builtEdges(STRIPPED);
    assert.equal(await judge.knownEdges(STRIPPED), 0);
    await judge.tellAddresses();
    const own = await judge.ownEnds(STRIPPED);
    const others = await judge.otherEnds(STRIPPED, told);
    test.diagnostic(`by address and time alone: ${said([...own, ...others])}`);
    assertKnown(own, 3);
    assertKnown(others, 3);
    for (const database of [OBSERVED, STRIPPED]) {
      const outsiders = await judge.outsiders(database);
      test.diagnostic(said(outsiders));
      assert.ok(
        outsiders.every(({ rows, wrong }) => rows > 0 && wrong === 0),
        'nobody from outside is taken for a pod',
      );
    }
    const corrected = await judge.builtEdges(STRIPPED);
    test.diagnostic(`edges: ${JSON.stringify(atFirst)} at first, ${JSON.stringify(corrected)} after that`);
    assert.deepEqual([atFirst.differ, corrected.differ], [0, 0], 'the rollup is not what the rows say');
    // Of the churn itself, as far as its minutes have passed long enough: in seconds none has.
    const observed = await judge.builtEdges(OBSERVED);
    test.diagnostic(
      `edges of the churn: ${JSON.stringify(observed)}, built ${await judge.builtLate()} s after their minute`,
    );
    assert.equal(observed.differ, 0);
    if (process.env.FLOWSPAN_SOAK === '1') assert.ok(observed.minutes > 0, 'no minute of the churn was built');
    assert.ok(corrected.edges > atFirst.edges && (await judge.knownEdges(STRIPPED)) > 0);
    test.diagnostic(`told late: ${await judge.lateness()}`);
  });
});
