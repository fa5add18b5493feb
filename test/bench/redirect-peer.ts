/**
 * Messages between two pods of a node whose packets go past the node's stack (bpf_redirect_peer), divided by the same through
 * it (veth, forwarding): median and 99th percentile of the round trip, and bytes per second one way, by message size. The last
 * figure is the median of 1 KiB. PAIRS, SECONDS.
 */
import { createNode } from '../bpf/dataplane/node.ts';
import { PinnedDataplane } from '../bpf/dataplane/pinned.ts';
import { compareWays } from './redirect/compare.ts';
import { Talk } from './redirect/talk.ts';

const dataplane = new PinnedDataplane();
const node = createNode();
const [client, server] = node.pods;
const talk = new Talk({ namespace: client.namespace }, { namespace: server.namespace }, server.ipv4);
await talk.ready(server.namespace);
let attached = false;
const take = (ours: boolean): void => {
  if (attached === ours) return;
  attached = ours;
  if (ours) node.attach(dataplane);
  else node.detach();
};
await compareWays('redirect-peer', talk, { plain: () => take(false), ours: () => take(true) });
await talk.stop();
node.remove();
dataplane.close();
process.exit(0);
