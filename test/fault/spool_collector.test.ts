/**
 * The whole collector under faults of its disk, started and restarted as `flowspan up` does: kill -9, torn and flipped
 * bytes, a full and a read-only disk, and one that answers EIO (a fake: test/native/failing_disk.c). Each request is
 * stored or counted as lost, and the collector keeps watching.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { type Disk, mountDisk } from '../../deploy/lab/disk.ts';
import { type Program, run, start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { builtTestProgram } from '../native/build.ts';
import { type Flowspan, freePorts, startFlowspan, temporaryFolder, whyNot } from '../support/flowspan.ts';
import { TcpProxy } from '../support/tcp_proxy.ts';

const SERVER = `require('node:http').createServer((q, a) => { q.resume(); a.end('ok'); }).listen(+process.argv[1], '127.0.0.1')`;
const DISK_BYTES = 32 * 1024 ** 2;
const STORE_BYTES = 512 * 1024 ** 2;
/** Requests of a turn: enough for a write of their own. */
const TURN = 40;
/** A write of a part comes at most every 100 ms. */
const BETWEEN_WRITES_MS = 250;
const HEADER_BYTES = 24;

interface Status {
  readonly counters: Record<string, Record<string, number>>;
  readonly spool: { readonly disk_error: string; readonly segments: number; readonly memory_bytes: number };
}

describe('the collector when its disk fails', { skip: whyNot() ?? false }, () => {
  let cgroup: Cgroup;
  let disk: Disk;
  let storeDisk: Disk;
  let proxy: TcpProxy;
  let server: Program;
  let flowspan: Flowspan;
  let port: number;
  const how = join(temporaryFolder(), 'how');

  before(async () => {
    cgroup = createCgroup();
    const dataDir = temporaryFolder();
    disk = mountDisk(dataDir, DISK_BYTES);
    mkdirSync(join(dataDir, 'store'));
    storeDisk = mountDisk(join(dataDir, 'store'), STORE_BYTES);
    let storePort = 0;
    [port = 0, storePort = 0] = await freePorts(2);
    proxy = await TcpProxy.start(storePort);
    server = start({ cgroup }, [process.execPath, '-e', SERVER, String(port)]);
    flowspan = await startFlowspan({
      cgroup,
      env: {
        FLOWSPAN_DATA_DIR: dataDir,
        FLOWSPAN_STORE_LISTEN: `127.0.0.1:${storePort}`,
        FLOWSPAN_CLICKHOUSE_URL: `http://127.0.0.1:${proxy.port}`,
        LD_PRELOAD: builtTestProgram('failing_disk.so'),
        FAILING_DISK: join(dataDir, 'spool'),
        FAILING_DISK_HOW: how,
      },
    });
  });

  after(async () => {
    await flowspan?.stop();
    await server?.stop();
    await proxy?.stop();
    storeDisk?.unmount();
    disk?.unmount();
    cgroup?.remove();
  });

  const status = async (): Promise<Status> => (await (await fetch(`${flowspan.collectorUrl}/status`)).json()) as Status;
  const query = async (sql: string): Promise<number> => Number((await flowspan.query<{ n: string }>(sql))[0]?.n);
  const stored = (label: string) => query(`SELECT count() AS n FROM requests WHERE http_path LIKE '/${label}/%'`);
  const lost = (reason: string) =>
    query(`SELECT sum(count) AS n FROM losses WHERE kind = 'request' AND reason = '${reason}'`);
  /** Asks in turns; resolves when every request has two rows, its client's and its server's. */
  async function ask(label: string, turns = 1): Promise<number> {
    const before = (await status()).counters.request!.rows!;
    for (let turn = 0; turn < turns; turn += 1) {
      await run({ cgroup }, ['curl', '-s', '-o', '/dev/null', `http://127.0.0.1:${port}/${label}/${turn}-[1-${TURN}]`]);
      const rows = before + 2 * TURN * (turn + 1);
      await eventually('rows', async () => (await status()).counters.request!.rows === rows);
      await wait(BETWEEN_WRITES_MS);
    }
    return 2 * TURN * turns;
  }
  const requestFiles = () => {
    const folder = join(disk.path, 'spool', 'requests');
    return readdirSync(folder)
      .sort()
      .map((file) => join(folder, file));
  };
  /** Kills the collector; resolves when it is gone, before it is started again. */
  async function kill(): Promise<void> {
    const pid = flowspan.pid('collector');
    process.kill(pid, 'SIGKILL');
    for (;;) {
      try {
        process.kill(pid, 0);
      } catch {
        return;
      }
      await wait(1);
    }
  }

  it('killed, a bit flipped, the end torn: sound blocks are stored, the others counted to the row, on a read-only disk too', async () => {
    await proxy.set('closed');
    const rows = await ask('torn', 4);
    await kill();
    const files = requestFiles();
    const flipped = readFileSync(files[0]!);
    flipped[HEADER_BYTES + 10]! ^= 4;
    writeFileSync(files[0]!, flipped);
    const last = files.at(-1)!;
    truncateSync(last, readFileSync(last).length - 5);
    disk.setReadOnly(true);
    await proxy.set('open');
    const accounted = async () => (await stored('torn')) + (await lost('spool_damaged')) === rows;
    await eventually('all rows to be accounted for', accounted, 30_000);
    const damaged = await lost('spool_damaged');
    assert.ok(damaged > 0 && damaged < rows, `${damaged} of ${rows}`);
    const { counters } = await status();
    assert.equal(counters.request!.left_over, rows);
    assert.equal(counters.request!.lost_spool_damaged, damaged);
  });

  it('goes on watching with a read-only disk, says so, and uses the disk when it can', async () => {
    const { lost: lostBefore } = (await status()).counters.request!;
    const rows = await ask('readonly');
    await eventually('its rows', async () => (await stored('readonly')) === rows);
    assert.match((await status()).spool.disk_error, /EROFS/);
    for (const code of ['FLOW_DELIVER_SPOOL', 'FLOW_COLLECTOR_STATE']) {
      await eventually(code, () => flowspan.output().includes(code));
    }
    disk.setReadOnly(false);
    await eventually('the disk', async () => (await status()).spool.disk_error === '');
    await eventually('what was sent to be removed', () => requestFiles().every((file) => file.endsWith('.open')));
    assert.equal((await status()).counters.request!.lost, lostBefore);
  });

  it('full: nothing is lost while the store answers', async () => {
    const { lost: lostBefore } = (await status()).counters.request!;
    disk.fill();
    const rows = await ask('full', 2);
    await eventually('its rows', async () => (await stored('full')) === rows);
    assert.match((await status()).spool.disk_error, /ENOSPC/);
    disk.free();
    await eventually('the disk', async () => (await status()).spool.disk_error === '');
    assert.equal((await status()).counters.request!.lost, lostBefore);
  });

  it('EIO at every write and sync, the store away: rows wait in memory, go to the disk when it is mended, and none is lost', async () => {
    const { lost: lostBefore } = (await status()).counters.request!;
    await proxy.set('closed');
    writeFileSync(how, 'ws 5');
    const rows = await ask('unwritable', 2);
    const { spool } = await status();
    assert.match(spool.disk_error, /EIO/);
    assert.ok(spool.memory_bytes > 0);
    rmSync(how);
    await eventually('the disk', async () => (await status()).spool.disk_error === '');
    await proxy.set('open');
    await eventually('its rows', async () => (await stored('unwritable')) === rows, 30_000);
    assert.equal((await status()).counters.request!.lost, lostBefore);
  });

  it('EIO at every read: what cannot be read is counted, and what comes later is stored', async () => {
    await proxy.set('closed');
    const before = (await status()).counters.request!.lost!;
    // From the first row on: what was read once is sent, whatever becomes of its file.
    writeFileSync(how, 'r 5');
    const rows = await ask('unreadable');
    await proxy.set('open');
    await eventually(
      'them to be counted',
      async () => (await status()).counters.request!.lost === before + rows,
      30_000,
    );
    rmSync(how);
    const more = await ask('readable');
    await eventually('its rows', async () => (await stored('readable')) === more, 30_000);
    assert.equal(await stored('unreadable'), 0);
  });
});
