/** Programs of others at a device, behind ours: they see every packet that ours let pass. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import { DATAPLANE_PROGRAMS } from '../../../collector/src/attach/dataplane/programs.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { listening, type Program, run, start } from '../../../deploy/lab/program.ts';
import { builtTestProgram } from '../../native/build.ts';
import { OBJECT, u32 } from './pinned.ts';
import { script } from './redirect.ts';

const PORT = 8080;

describe('others at a device', () => {
  let ours: BpfObject;
  let client: Namespace;
  let server: Namespace;
  let serving: Program;
  let host: string;
  let ifindex: number;

  before(async () => {
    [client, server] = [createNamespace(), createNamespace()];
    host = connect(client, server).b.ipv4;
    [{ ifindex }] = JSON.parse(server.run('ip', '-j', 'link', 'show', 'type', 'veth')) as [{ ifindex: number }];
    serving = start({ namespace: server }, script('stream.ts', 'serve', PORT));
    await listening(server, PORT);
    ours = openObject(OBJECT);
    ours.load();
  });
  after(async () => {
    await serving?.stop();
    for (const namespace of [client, server]) namespace.remove();
    ours?.close();
  });

  for (const { name, direction } of DATAPLANE_PROGRAMS.filter(({ kind }) => kind === 'device'))
    it(`see what ${name} lets pass`, async () => {
      const path = `/run/netns/${server.name}`;
      const theirs = openObject(builtTestProgram('count_packets.bpf.o'));
      theirs.load();
      const link = ours.attachDevice(name, ifindex, direction!, path);
      const behind = theirs.attachDevice('count_packets', ifindex, direction!, path);
      assert.equal(
        await run({ namespace: client }, script('stream.ts', 'stream', host, PORT, 1, 200_000, 0, 0)),
        '1\n',
      );
      const seen = theirs.map('counted_packets').lookup(u32(0))!.readBigUInt64LE();
      for (const each of [behind, link, theirs]) each.close();
      assert.ok(seen > 2n, `${seen} packets`);
    });
});
