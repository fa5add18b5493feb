/** Identity from Kubernetes, told by hand, with a clock that is set by hand. */

import { type Identity, NOBODY_SURE } from '../../../../collector/src/control/identity.ts';
import type { ResourceName } from '../../../../collector/src/control/kubernetes/cluster.ts';
import { type Heard, KubernetesIdentity } from '../../../../collector/src/control/kubernetes/identity.ts';
import { addressBytes } from '../../../../collector/src/correlate/address_text.ts';

export const BEGIN_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

/** @param mostTold as `KubernetesIdentity` has it */
export async function openCluster(node = 'node-1', mostTold?: number) {
  const clock = { ms: BEGIN_MS, cgroupIsThere: true };
  const feed = {
    ...{ synced: true, start: async () => undefined, close: () => undefined },
    /** By default the API server is heard all the time. */
    heardFromMs: BEGIN_MS,
    heardToMs: Number.POSITIVE_INFINITY,
    get heardOfPods(): Heard {
      return { fromMs: this.heardFromMs, toMs: Math.min(this.heardToMs, clock.ms) };
    },
  };
  const identity = new KubernetesIdentity({
    node,
    feed,
    nowMs: () => clock.ms,
    cgroupIsThere: () => clock.cgroupIsThere,
    ...(mostTold === undefined ? {} : { mostTold }),
  });
  const told = { changed: 0, updated: [] as Identity[], ended: [] as { id: bigint; timeNs: bigint }[] };
  await identity.start(
    () => {
      told.changed += 1;
    },
    { updated: (one) => told.updated.push(one), ended: (id, timeNs) => told.ended.push({ id, timeNs }) },
  );
  const { cluster } = identity;
  const put = (resource: ResourceName, ...objects: unknown[]) => {
    for (const object of objects) cluster.sink(resource).changed(object);
  };
  return {
    ...{ clock, feed, identity, cluster, told, put },
    remove(resource: ResourceName, object: unknown): void {
      cluster.sink(resource).deleted(object);
    },
    /** A whole list, as after a new start of the watch. */
    list(resource: ResourceName, objects: readonly unknown[]): void {
      const sink = cluster.sink(resource);
      sink.begin();
      for (const object of objects) sink.item(object);
      sink.end();
    },
    /** Name of whoever had an address; `?` if nobody is sure, undefined if it is not a pod's or node's. */
    at(address: string, ms = clock.ms): string | undefined {
      const found = identity.ofAddress(addressBytes(address), ms);
      return found === NOBODY_SURE ? '?' : found?.name;
    },
    close: () => identity.close(),
  };
}
