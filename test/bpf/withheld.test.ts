/**
 * The kernel does not always call the program of a tracepoint: see DECISIONS.md. Here it never does, for changes of state:
 * connections are told all the same.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PROGRAMS } from '../../collector/src/attach/programs.ts';
import { createScene, PORT, PORT_SEEN, type Scene } from './scene.ts';

const POINTS = ['client', 'server'] as const;

describe('changes of state that are kept from the tracepoint', () => {
  let scene: Scene;
  before(async () => {
    const programs = PROGRAMS.filter(({ name }) => name !== 'inet_sock_set_state');
    scene = await createScene(undefined, { programs });
  });
  after(() => scene.end());

  it('are told as TCP tells them: opened and closed, by whom, at both ends', async () => {
    await scene.peer('say', scene.address.ipv4, PORT, 'echo', 1000);
    for (const observation_point of POINTS) {
      const like = { observation_point, destination_port: PORT_SEEN };
      const [closed] = await scene.watcher.wait({ ...like, flow_state: 'closed' });
      const rows = scene.watcher.seen(like).filter(({ flow_state }) => flow_state !== undefined);
      assert.deepEqual(
        rows.map((row) => [row.flow_state, row.initiator_known, row.interval_index]),
        [
          ['opened', 1n, 0n],
          ['closed', 1n, 1n],
        ],
      );
      assert.deepEqual([closed?.close_cause, closed?.closed_by], ['fin', 'client']);
      assert.equal(closed?.bytes_sent, 1000n);
      assert.ok(Number(closed?.connect_ns) > 0);
    }
  });

  it('of a connect that is refused as well', async () => {
    assert.match(await scene.peer('refuse', scene.address.ipv4, 9), /ECONNREFUSED/);
    const [failed] = await scene.watcher.wait({ event_kind: 'connect_failed', destination_port: 9n });
    const [row] = await scene.watcher.wait({ flow_state: 'closed', destination_port: 9n });
    assert.deepEqual([failed?.error_number, row?.close_cause, row?.closed_by], [111n, 'refused', 'server']);
  });
});
