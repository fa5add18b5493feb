/** What the policies said of a connection is kept on its sockets, for those who judge or observe it later. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { POLICY_FLOW } from '../../../bpf/dataplane/policy.gen.ts';
import { type BpfObject, type Link, openObject } from '../../../collector/native/addon.ts';
import { labelsOfPod, securityIdentity } from '../../../collector/src/control/policy/endpoints.ts';
import { networkPolicy } from '../../collector/policy/support/manifests.ts';
import { model } from '../../collector/policy/support/world.ts';
import { compileBpf } from './compile_bpf.ts';
import { PolicyScene, type Running } from './scene.ts';

const PIN = `/sys/fs/bpf/fs-policy-connections-${process.pid}`;
const IN = (spec: string) => networkPolicy(`podSelector: {}\n${spec}`, 'in', 'y');
const VERDICTS = ['NO_POLICY', 'ALLOWED', 'DENIED', 'AUDITED'];

describe('sockets', () => {
  let scene: PolicyScene;
  let teller: BpfObject;
  let walk: Link;
  before(async () => {
    const path = compileBpf(new URL('tell.bpf.c', import.meta.url), 'policy-tell');
    scene = await PolicyScene.create();
    scene.object.pinMap('policy_connections', PIN);
    teller = openObject(path);
    assert.ok(teller.reuseMap('policy_connections', PIN));
    teller.load();
    walk = teller.attachIterator('tell_connections', 'policy_connections');
  });
  after(async () => {
    teller?.close();
    rmSync(PIN, { force: true });
    await scene?.end();
  });

  const identityOf = ({ pod }: Running) => BigInt(securityIdentity(labelsOfPod(pod)));
  /** Of sockets that are open, the client's end first. */
  const kept = () => {
    const told = teller.iterate(walk);
    return Array.from({ length: told.length / POLICY_FLOW.size }, (_, index) => {
      const flow = told.subarray(index * POLICY_FLOW.size);
      return {
        is_egress: flow.readUInt8(POLICY_FLOW.is_egress),
        verdict: VERDICTS[flow.readUInt8(POLICY_FLOW.policy_verdict)],
        identity: flow.readBigUInt64LE(POLICY_FLOW.identity),
        peer_identity: flow.readBigUInt64LE(POLICY_FLOW.peer_identity),
        generation: flow.readUInt32LE(POLICY_FLOW.generation),
      };
    }).toSorted((one, other) => other.is_egress - one.is_egress);
  };
  const held = async (from: Running, host: string, look: () => void) => {
    assert.deepEqual(await from.tell({ do: 'connect', host, port: 80, id: 'held' }), ['ok']);
    try {
      look();
    } finally {
      await from.tell({ do: 'close', id: 'held' });
    }
  };

  for (const family of [4, 6] as const)
    it(`both ends of a connection of IPv${family} have their answers`, async () => {
      scene.apply(model(IN('ingress: [{ports: [{port: 80}]}]')));
      const [client, server] = [identityOf(scene.client), identityOf(scene.server)];
      const { generation } = scene.maps;
      await held(scene.client, scene.at[family], () =>
        assert.deepEqual(kept(), [
          { is_egress: 1, verdict: 'NO_POLICY', identity: client, peer_identity: 0n, generation },
          { is_egress: 0, verdict: 'ALLOWED', identity: server, peer_identity: client, generation },
        ]),
      );
    });

  it('in audit the accepted socket says what would have been', async () => {
    scene.apply(model(IN(''), 'audit'));
    await held(scene.client, scene.at[4], () =>
      assert.deepEqual(
        kept().map(({ verdict }) => verdict),
        ['NO_POLICY', 'AUDITED'],
      ),
    );
  });

  it('observe, and what a pod says to itself, is kept nowhere', async () => {
    scene.apply(model(IN(''), 'observe'));
    await held(scene.client, scene.at[4], () => assert.deepEqual(kept(), []));
    scene.apply(model(IN('')));
    for (const host of ['127.0.0.1', '::1', scene.at[4], scene.at[6]])
      await held(scene.server, host, () => assert.deepEqual(kept(), [], host));
  });
});
