/** Packets that TCP refuses, sent by a raw socket ahead of good ones: no row tells of them, and none is missing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Program, run } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { type Step, serve } from './http/scripted.ts';
import { RequestWatcher } from './http/watch.ts';

const PORT = 8080;
const INJECT = fileURLToPath(new URL('../../build/test/http-inject', import.meta.url));
const ANSWER: Step[] = [
  ['until', '\r\n\r\n'],
  ['send', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
];

describe('forged packets', () => {
  let cgroup: Cgroup;
  let client: Namespace;
  let server: Namespace;
  let program: Program;
  let watcher: RequestWatcher;
  let host: string;
  let device: string;

  before(async () => {
    mkdirSync(new URL('../../build/test/', import.meta.url), { recursive: true });
    const source = fileURLToPath(new URL('http/inject.c', import.meta.url));
    execFileSync(process.env.CC ?? 'gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', INJECT, source]);
    cgroup = createCgroup();
    [client, server] = [createNamespace(), createNamespace()];
    host = connect(client, server).b.ipv4;
    device = /dev (\S+)/.exec(client.run('ip', 'route', 'get', host))?.[1] ?? '';
    program = serve({ namespace: server, cgroup }, PORT, [...ANSWER, ...ANSWER, ['end']]);
    await listening(server, PORT);
    watcher = new RequestWatcher(cgroup);
  });
  after(async () => {
    watcher.close();
    await program.stop();
    client.remove();
    server.remove();
    cgroup.remove();
  });

  const inject = (kind: string) => run({ namespace: client, cgroup }, [INJECT, device, host, String(PORT), kind]);

  for (const kind of ['none', 'checksum', 'window', 'acknowledgement', 'timestamp'])
    it(`are no request: ${kind}`, async () => {
      const gaps = watcher.discarded('stream_gap');
      await inject(kind);
      for (const target of [`/own/${kind}`, `/second/${kind}`]) {
        const rows = await watcher.wait(target, 2);
        assert.deepEqual(
          rows.map(({ point, host: asked, status, end }) => `${point} ${asked} ${status} ${end}`).toSorted(),
          ['client own 200 complete', 'server own 200 complete'],
        );
      }
      assert.deepEqual(watcher.seen('/forged/'), []);
      assert.equal(watcher.discarded('stream_gap'), gaps);
    });

  it('for a listener, which no connection takes, are counted', async () => {
    assert.equal(watcher.discarded('listener_data'), 0);
    // What came to a listener is given up when the next packet comes to one, on the same CPU.
    await eventually('the counter', async () => {
      await inject('listener');
      return watcher.discarded('listener_data') > 0;
    });
    assert.deepEqual(watcher.seen('/forged/'), []);
  });
});
