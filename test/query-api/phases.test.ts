/** Where requests spent their time, and when the first and the last of a group were. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { rfc3339 } from '../../store/time.ts';
import { BEGIN, event, MS, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
after(() => scene.close());

/** Groups of the requests on one port; ports tell the tests apart. */
const groups = async (port: number, measures: string) =>
  (await scene.get(`/v1/requests?${window(3600)}&source_port=${port}&group_by=source_port&measures=${measures}`)).body
    .data;

const PHASES = ['receive', 'queue', 'application', 'send'] as const;
const sums = PHASES.map((phase) => `sum_${phase}_ns`).join(',');
const mostly = PHASES.map((phase) => `mostly_${phase}`).join(',');

const phases = (sent: bigint, read: bigint, answered: bigint, whole: bigint) => ({
  request_sent_ns: sent * MS,
  application_read_ns: read * MS,
  response_start_ns: answered * MS,
  duration_ns: whole * MS,
});

test('the phases of a request add up to its duration', async () => {
  const rows = [
    { source_port: 42001, ...phases(1n, 31n, 36n, 40n) },
    // the application read the head at 20 ms, while the body arrived until 60 ms
    { source_port: 42002, ...phases(60n, 20n, 75n, 80n) },
  ];
  await scene.insert(
    REQUESTS,
    rows.map((row, index) => request(BigInt(index + 1) * SECOND, row)),
  );
  const [late] = await groups(42001, sums);
  assert.deepEqual(
    PHASES.map((phase) => Number(late[`sum_${phase}_ns`]) / 1e6),
    [1, 30, 5, 4],
  );
  const [upload] = await groups(42002, sums);
  assert.deepEqual(
    PHASES.map((phase) => Number(upload[`sum_${phase}_ns`]) / 1e6),
    [40, 20, 15, 5],
  );
});

test('what cannot be told counts for no phase', async () => {
  await scene.insert(REQUESTS, [
    request(1n * SECOND, { source_port: 42003, ...phases(1n, 0n, 36n, 40n) }),
    request(2n * SECOND, { source_port: 42003, ...phases(1n, 2n, 0n, 40n), http_status_code: 0 }),
  ]);
  const [group] = await groups(42003, `${sums},${mostly},read,count`);
  assert.deepEqual(
    PHASES.map((phase) => Number(group[`sum_${phase}_ns`]) / 1e6),
    [2, 1, 0, 4],
  );
  assert.deepEqual(
    PHASES.map((phase) => group[`mostly_${phase}`]),
    ['0', '0', '0', '0'],
  );
  assert.deepEqual([group.read, group.count], ['1', '2']);
});

test('requests are counted by the phase that took most of their time, each as often as it stands for', async () => {
  await scene.insert(REQUESTS, [
    request(1n * SECOND, { source_port: 42004, request_index: 0, ...phases(1n, 31n, 36n, 40n), sample_weight: 3 }),
    request(2n * SECOND, { source_port: 42004, request_index: 1, ...phases(1n, 31n, 36n, 40n) }),
    request(3n * SECOND, { source_port: 42004, request_index: 2, ...phases(1n, 2n, 36n, 40n) }),
    request(4n * SECOND, { source_port: 42004, request_index: 3, ...phases(1n, 2n, 3n, 40n) }),
    request(5n * SECOND, { source_port: 42004, request_index: 4, ...phases(10n, 20n, 30n, 40n) }),
  ]);
  const [group] = await groups(42004, `${mostly},mostly_queue_first`);
  assert.deepEqual(group, {
    source_port: 42004,
    mostly_receive: '0',
    mostly_queue: '4',
    mostly_application: '1',
    mostly_send: '1',
    mostly_queue_first: '3',
  });
});

test('first_time and last_time of a group are times as rows show them', async () => {
  await scene.insert(TCP_EVENTS, [event(7n * SECOND + 123n), event(9n * SECOND)]);
  const { body } = await scene.get(
    `/v1/tcp-events?${window(3600)}&group_by=event_kind&measures=first_time,last_time&order=first_time`,
  );
  assert.deepEqual(body.data, [
    {
      event_kind: 'retransmit',
      first_time: rfc3339(BEGIN + 7n * SECOND + 123n),
      last_time: rfc3339(BEGIN + 9n * SECOND),
    },
  ]);
});
