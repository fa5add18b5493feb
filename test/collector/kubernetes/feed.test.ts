/** The index is fed through a seam: by a feed within the process, as one per cell would, instead of the API server. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Cluster } from '../../../collector/src/control/kubernetes/cluster.ts';
import { type Feed, KubernetesIdentity } from '../../../collector/src/control/kubernetes/identity.ts';
import { addressBytes } from '../../../collector/src/correlate/address_text.ts';
import { BEGIN_MS } from './support/cluster.ts';
import { nodeObject, podObject } from './support/objects.ts';

const pod = (index: number, labels: Record<string, string> = {}) =>
  podObject({ uid: `pod-${index}`, name: `web-${index}`, address: `10.0.0.${index}`, labels });

/** Tells what a cell has: all of it at the start, then what changes. */
class CellFeed implements Feed {
  synced = false;
  readonly heardOfPods = { fromMs: BEGIN_MS, toMs: BEGIN_MS };
  closed = false;
  #cluster: Cluster | undefined;

  async start(cluster: Cluster): Promise<void> {
    this.#cluster = cluster;
    for (const [resource, objects] of [
      ['nodes', [nodeObject('node-1', 'u1', ['192.0.2.1'], 'west-1')]],
      ['pods', [pod(1), pod(2)]],
    ] as const) {
      const sink = cluster.sink(resource);
      sink.begin();
      for (const object of objects) sink.item(object);
      sink.end();
    }
    this.synced = true;
  }

  change(...objects: unknown[]): void {
    for (const object of objects) this.#cluster?.sink('pods').changed(object);
  }

  close(): void {
    this.closed = true;
  }
}

it('a feed of another kind tells the index all that the API server would', async () => {
  let nowMs = BEGIN_MS;
  const feed = new CellFeed();
  const identity = new KubernetesIdentity({ node: 'node-1', feed, nowMs: () => nowMs, cgroupIsThere: () => true });
  const at = (address: string) => {
    const found = identity.ofAddress(addressBytes(address), nowMs);
    return typeof found === 'object' ? found.name : found;
  };
  assert.equal(at('10.0.0.1'), 'nobody_sure', 'nothing has been told yet');
  await identity.sync();
  await identity.start(() => undefined);
  assert.deepEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '192.0.2.1'].map(at), ['web-1', 'web-2', undefined, 'node-1']);
  assert.equal(identity.ownNode?.name, 'node-1');
  nowMs += 1000;
  feed.change(pod(3, { app: 'late' }));
  assert.equal(at('10.0.0.3'), 'web-3');
  assert.deepEqual({ ...identity.ofCgroup('/kubepods/podpod-3')?.labels }, {});
  identity.close();
  assert.equal(feed.closed, true);
});
