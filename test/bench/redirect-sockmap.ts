/**
 * Messages between two sockets of this machine past TCP, divided by the same through TCP (veth): median and 99th percentile of
 * the round trip, and bytes per second one way, by message size. The last figure is the median of 1 KiB. PAIRS, SECONDS.
 */
import { createRedirect } from '../bpf/dataplane/redirect.ts';
import { compareWays } from './redirect/compare.ts';
import { Talk } from './redirect/talk.ts';

const redirect = createRedirect();
const talk = new Talk(redirect.client, redirect.server, redirect.host.ipv4);
await talk.ready(redirect.server.namespace);
await compareWays('redirect-sockmap', talk, {
  plain: () => redirect.optIn(),
  ours: () => redirect.optIn('client', 'server'),
});
await talk.stop();
redirect.end();
process.exit(0);
