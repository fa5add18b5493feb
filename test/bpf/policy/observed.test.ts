/** What the observer tells of connections that were judged. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Mode } from '../../../collector/src/config_dataplane.ts';
import { networkPolicy } from '../../collector/policy/support/manifests.ts';
import { model } from '../../collector/policy/support/world.ts';
import { watchWith } from '../shared.ts';
import type { Seen, Watcher } from '../watcher.ts';
import { PolicyScene } from './scene.ts';

const ABOUT_CLIENT = (spec: string) => networkPolicy(`podSelector: {}\npolicyTypes: [Egress]\n${spec}`, 'out', 'x');
const ABOUT_SERVER = (spec: string) => networkPolicy(`podSelector: {}\n${spec}`, 'in', 'y');

describe('connections that are judged', () => {
  let scene: PolicyScene;
  const watchers: Watcher[] = [];
  before(async () => {
    scene = await PolicyScene.create();
    watchers.push(watchWith(scene.object, scene.client.cgroup), watchWith(scene.object, scene.server.cgroup));
  });
  after(async () => {
    for (const watcher of watchers) watcher.close();
    await scene?.end();
  });

  /** Verdict, whether it was judged, and whether a decision of the policies' made it, of a connection's last row. */
  const lastRow = async (end: 'client' | 'server', at: Seen): Promise<unknown[]> => {
    const rows = await watchers[end === 'client' ? 0 : 1]!.wait({
      ...at,
      observation_point: end,
      flow_state: 'closed',
    });
    const { verdict, policy_generation, policy_decision } = rows.at(-1)!;
    return [verdict, policy_generation !== 0n, policy_generation !== 0n && policy_decision !== 0xffffffffn];
  };
  const dial = async (port: number) => {
    const [outcome] = await scene.client.tell({ do: 'connect', host: scene.at[4], port });
    return { outcome, at: { destination_address: scene.at[4], destination_port: BigInt(port), protocol: 6n } };
  };

  it('are told with what decided, at both ends', async () => {
    scene.apply(model(`${ABOUT_CLIENT('egress: [{}]')}---\n${ABOUT_SERVER('ingress: [{}]')}`));
    const { outcome, at } = await dial(80);
    assert.equal(outcome, 'ok');
    for (const end of ['client', 'server'] as const)
      assert.deepEqual(await lastRow(end, at), ['forwarded', true, true], end);
  });

  for (const [mode, expected] of [
    ['audit', ['audit', true, true]],
    ['enforce', ['dropped', true, true]],
  ] as const)
    it(`are told as ${mode} has them, where a policy denies`, async () => {
      scene.apply(model(ABOUT_CLIENT('egress: [{ports: [{port: 7}]}]'), mode satisfies Mode));
      const { outcome, at } = await dial(81);
      assert.equal(outcome === 'ok', mode === 'audit');
      assert.deepEqual(await lastRow('client', at), expected);
    });
});
