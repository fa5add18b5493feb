/**
 * The script of kubernetes.test.ts on nodes of all styles, watched by two collectors each: one that sees the whole machine,
 * with the sockets of both nodes, and one that sees its node alone.
 */
import { after, before, describe, it } from 'node:test';
import { whyNot } from '../support/flowspan.ts';
import type { NodeStyle } from '../support/kubernetes/cluster.ts';
import { whyNoCluster } from '../support/kubernetes/find.ts';
import { whyNoHybrid } from '../support/kubernetes/legacy_cgroups.ts';
import { assertRoute, assertRouteApart } from '../support/kubernetes/routes.ts';
import { startWatched, type Watched } from '../support/kubernetes/watched.ts';

const PAIRS: readonly (readonly [NodeStyle, NodeStyle])[] = [
  [
    { layout: 'hybrid', names: 'cgroupfs' },
    { layout: 'unified', names: 'systemd' },
  ],
  [
    { layout: 'unified', names: 'cgroupfs' },
    { layout: 'hybrid', names: 'systemd' },
  ],
];

for (const styles of PAIRS) {
  const title = `nodes with cgroups ${styles.map(({ layout, names }) => `${layout}, ${names}`).join(' and ')}`;
  describe(title, { skip: whyNot() ?? whyNoCluster() ?? whyNoHybrid() ?? false }, () => {
    let watched: Watched;

    before(async () => {
      watched = await startWatched(styles, ['machine', 'node']);
      await Promise.all(watched.routes.map((route) => route.send()));
      await watched.settled();
    });
    after(() => watched?.stop());

    it('have both ends, service and backend of every request named at both of its ends', async () => {
      const rows = await watched.requests('machine');
      for (const route of watched.routes) assertRoute(route, rows);
    });

    it('have as much named by collectors that see their own node alone', async () => {
      const rows = await watched.requests('node');
      for (const route of watched.routes) assertRouteApart(route, rows);
    });
  });
}
