/** A packet of no known connection may be a late one: whoever just got its address need not be whom it is of. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { RunningStore } from './running_store.ts';

const SECOND = 1_000_000_000n;
/** When the address was handed on, a while ago. */
const HANDED_ON = (BigInt(Date.now()) / 1000n - 600n) * SECOND;
const [FORMER, LATER] = ['1', '2'];

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
});
after(() => store.close());

/** Who the source is of an event so many seconds after the address was handed on. */
async function sourceOf(row: Readonly<Record<string, unknown>>, seconds: bigint): Promise<string> {
  const time = `${HANDED_ON + seconds * SECOND}`;
  const values = [{ time, cluster: 'a', source_address: '::ffff:10.0.0.1', source_basis: 'address', ...row }];
  await store.writer().insert({ table: 'flowspan.tcp_events', values, format: 'JSONEachRow' });
  const answer = await store.reader().query({
    query: `SELECT toString(source_endpoint_id) AS id FROM flowspan.tcp_events_resolved WHERE time = fromUnixTimestamp64Nano(${time})`,
    format: 'JSONEachRow',
  });
  const [only] = await answer.json<{ id: string }>();
  return only!.id;
}

test('it is told once the address has been held for a minute, one of a known connection at once', async () => {
  const bounds = (from: bigint, to: bigint) => ({
    valid_from: `${from}`,
    sure_from: `${from}`,
    sure_to: `${to}`,
    valid_to: `${to}`,
  });
  const claim = { cluster: 'a', address: '::ffff:10.0.0.1' };
  const open = BigInt(Date.UTC(2262, 0, 1)) * 1_000_000n;
  const values = [
    { ...claim, endpoint_id: FORMER, ...bounds(HANDED_ON - 3600n * SECOND, HANDED_ON) },
    { ...claim, endpoint_id: LATER, ...bounds(HANDED_ON, open) },
  ];
  await store.writer().insert({ table: 'flowspan.endpoint_addresses', values, format: 'JSONEachRow' });
  const reset = { event_kind: 'reset_sent' };
  assert.equal(await sourceOf(reset, -10n), FORMER);
  assert.equal(await sourceOf(reset, 10n), '0');
  assert.equal(await sourceOf({ event_kind: 'drop' }, 59n), '0');
  assert.equal(await sourceOf(reset, 61n), LATER);
  assert.equal(await sourceOf({ ...reset, connection_age_ns: `${5n * SECOND}` }, 11n), LATER);
  assert.equal(await sourceOf({ event_kind: 'retransmit' }, 12n), LATER);
});
