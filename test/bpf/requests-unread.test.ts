/** With requests left unread: connections are told as ever, nothing of what they carry is. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../deploy/lab/folder.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Program } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { ask, type Step, serve, startAsking } from './http/scripted.ts';
import { Watcher } from './watcher.ts';

const REQUEST = 'GET /unread HTTP/1.1\r\nHost: h\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const HELLO = '\x16\x03\x01\x00\x05hello';

/** What the server waits for and answers, and what the connection is said to have carried, by port. */
const SPOKEN = [
  {
    port: 8001,
    script: [
      ['until', '\r\n\r\n'],
      ['send', ANSWER],
    ],
    said: REQUEST,
    protocol: 'other',
  },
  {
    port: 8002,
    script: [
      ['until', 'hello'],
      ['send', 'ok'],
    ],
    said: HELLO,
    protocol: 'tls',
  },
] as const satisfies readonly { port: number; script: readonly Step[]; said: string; protocol: string }[];

describe('requests that are not read', () => {
  const namespaces: Namespace[] = [];
  const programs: Program[] = [];
  let cgroup: Cgroup;
  let watcher: Watcher;
  let host: string;

  before(async () => {
    cgroup = createCgroup();
    const [client, server] = [createNamespace(), createNamespace()];
    namespaces.push(client, server);
    host = connect(client, server).b.ipv4;
    for (const { port, script } of SPOKEN) {
      programs.push(serve({ namespace: server, cgroup }, port, script));
      await listening(server, port);
    }
    // Older than the watcher: its beginning is not seen, and where a request would start for certain it is not looked for.
    const watched = join(temporaryFolder(), 'watched');
    const again: Step[] = [
      ['send', REQUEST],
      ['until', 'ok'],
      ['file', watched],
      ['send', REQUEST],
      ['wait', 100],
      ['end'],
    ];
    programs.push(startAsking({ namespace: client, cgroup }, host, 8001, again));
    const older = () => server.run('ss', '-tnH', 'state', 'established', 'sport = :8001') !== '';
    await eventually('the older connection', older);
    watcher = new Watcher(cgroup, { knobs: { read_requests: 0 } });
    watcher.adopt();
    writeFileSync(watched, '');
  });
  after(async () => {
    watcher?.close();
    await Promise.all(programs.map((each) => each.stop()));
    for (const namespace of namespaces) namespace.remove();
    cgroup.remove();
  });

  for (const { port, said, protocol } of SPOKEN) {
    it(`are ${protocol} in the flows of both ends`, async () => {
      const client = { namespace: namespaces[0] as Namespace, cgroup };
      await ask(client, host, port, [['send', said], ['until', 'ok'], ['end']]);
      const like = { destination_port: BigInt(port), flow_state: 'closed', initiator_known: 1n };
      const flows = await watcher.wait({ ...like, application_protocol: protocol }, 2);
      assert.deepEqual(
        flows
          .map(({ observation_point }) => observation_point)
          .toSorted()
          .slice(0, 2),
        ['client', 'server'],
      );
      for (const flow of flows) assert.ok(Number(flow.bytes_sent) + Number(flow.bytes_received) >= said.length);
    });
  }

  it('get no record, also on connections that are older', async () => {
    await watcher.wait({ destination_port: 8001n, flow_state: 'closed' }, 4);
    assert.equal(watcher.counted('request').wanted, 0n);
    assert.deepEqual(watcher.seen({ application_protocol: 'http1' }), []);
  });
});
