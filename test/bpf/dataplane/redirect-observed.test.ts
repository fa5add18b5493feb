/** What the observer tells of connections whose bytes go past TCP. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { run } from '../../../deploy/lab/program.ts';
import { type Nginx, startNginx } from '../../support/nginx.ts';
import { Watcher } from '../watcher.ts';
import { createRedirect, type Redirect } from './redirect.ts';

const PAGE_BYTES = 100_000;

describe('redirected connections', () => {
  let redirect: Redirect;
  let nginx: Nginx;
  const watchers: Watcher[] = [];
  before(async () => {
    redirect = createRedirect();
    nginx = await startNginx(redirect.server, { workers: 1 });
    const path = (map: string) => redirect.dataplane.map(map);
    for (const { cgroup } of [redirect.client, redirect.server])
      watchers.push(new Watcher(cgroup!, { shared: { path, redirects: false } }));
  });
  after(async () => {
    for (const watcher of watchers) watcher.close();
    await nginx?.stop();
    redirect?.end();
  });

  /** Bytes that the client and the server are told to have sent in a connection that has ended. */
  const sent = async (verdict: string): Promise<bigint[]> => {
    const page = await run(redirect.client, ['curl', '-sS', `http://${redirect.host.ipv4}/static/${PAGE_BYTES}.txt`]);
    assert.equal(page.length, PAGE_BYTES);
    const closed = { flow_state: 'closed', protocol: 6n, destination_port: 80n, verdict };
    const sums: bigint[] = [];
    for (const watcher of watchers) {
      const last = (await watcher.wait(closed)).at(-1)!;
      const rows = watcher.seen({ socket_cookie: last.socket_cookie! });
      sums.push(rows.reduce((sum, row) => sum + BigInt(row.bytes_sent ?? 0n), 0n));
    }
    return sums;
  };

  it('have sent as much as if it had gone through TCP', async () => {
    redirect.optIn();
    const through = await sent('forwarded');
    redirect.optIn('client', 'server');
    const past = await sent('redirected');
    assert.ok(through[0]! > 0n && through[1]! > PAGE_BYTES, String(through));
    assert.deepEqual(past, through);
  });
});
