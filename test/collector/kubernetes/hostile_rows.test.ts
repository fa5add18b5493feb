/** What others write into their objects, from the bytes of a watch to the row that is stored: bounded, and polluting nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { POD_FIELDS } from '../../../collector/src/control/kubernetes/fields.ts';
import { JsonPruner, keptTogether } from '../../../collector/src/control/kubernetes/pruned_json.ts';
import { EVENT_FIELDS, watchEvent } from '../../../collector/src/control/kubernetes/watch_lines.ts';
import { Endpoints } from '../../../collector/src/correlate/endpoints.ts';
import { Reporter, type ReporterOptions } from '../../../collector/src/reporter.ts';
import { decodeRows, encodeRow } from '../../../store/rowbinary.ts';
import { ENDPOINTS, type Table } from '../../../store/tables.ts';
import { openCluster } from './support/cluster.ts';

const UID = '11111111-2222-4333-8444-555555555555';
const ID = 'ab'.repeat(32);
const NOW = 1_800_000_000_000_000_000n;
/** A row of `endpoints` fits in any batch. */
const ROW_BYTES = 128 * 1024;

/** All that the API server lets anybody write, and more. */
function hostileLine(): Buffer {
  const many = (count: number, one: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => one(index)).join(',');
  const labels = `"__proto__":"x","constructor":"y","example.com/A.b_c-9":"Z.z_z-0",${many(10_000, (index) => `"l${index}":"${'v'.repeat(63)}"`)}`;
  const named = many(1000, (index) => `"resource.opentelemetry.io/a${index}":"${'v'.repeat(256)}"`);
  const annotations = `"__proto__":{"polluted":1},"resource.opentelemetry.io/__proto__":"p","resource.opentelemetry.io/big":"${'x'.repeat(500_000)}","note":"${'\\u0000\\"'.repeat(100_000)}",${named}`;
  const containers = many(
    1000,
    (index) =>
      `{"name":"${index === 0 ? '__proto__' : `c${index}`}","image":"${'i'.repeat(512)}","env":[{"name":"x","value":"${'e'.repeat(1000)}"}]}`,
  );
  const statuses = many(
    1000,
    (index) =>
      `{"name":"${index === 0 ? '__proto__' : `c${index}`}","containerID":"containerd://${index.toString(16).padStart(64, '0')}","state":{"running":{"startedAt":"2026-01-02T03:04:05Z"}}}`,
  );
  return Buffer.from(
    `{"type":"ADDED","__proto__":{"polluted":1},"object":{"metadata":{"name":"a-0.b9","namespace":"constructor","uid":"${UID}","resourceVersion":"1","labels":{${labels}},"annotations":{${annotations}},"managedFields":[${'['.repeat(5000)}${']'.repeat(5000)}]},` +
      `"spec":{"__proto__":{"hostNetwork":true},"nodeName":"node-1","serviceAccountName":"__proto__","containers":[${containers}]},"status":{"podIP":"10.0.0.1","containerStatuses":[${statuses}]}}}`,
  );
}

describe('hostile objects', () => {
  it('become rows that are bounded, with every key as it was and no prototype', async () => {
    const { cluster, identity, close } = await openCluster();
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    const line = hostileLine();
    assert.ok(line.length > 3_000_000);
    const event = watchEvent(line, new JsonPruner(keptTogether(EVENT_FIELDS, { object: POD_FIELDS })));
    cluster.sink('pods').changed(event.object);
    const told = identity.ofCgroup(`/kubepods/pod${UID}/${ID}`);
    assert.ok(told !== undefined && typeof told === 'object');
    const endpoints = new Endpoints(10);
    endpoints.number(told, 1, NOW);
    const rows: Buffer[] = [];
    const delivery = { add: (table: Table, row: Record<string, unknown>) => rows.push(encodeRow(table, row)) };
    const scope = { cluster: 'c', node: 'node-1', boot_id: '11111111-2222-3333-4444-555555555555' };
    const options = { scope, endpoints, delivery, nowNs: () => NOW, startedNs: NOW, serviceLabels: true };
    new Reporter(options as unknown as ReporterOptions).tellEndpoints();
    assert.equal(rows.length, 1);
    assert.ok(rows[0]!.length < ROW_BYTES, `${rows[0]!.length}`);
    const [row] = decodeRows(ENDPOINTS, rows[0]!);
    const own = (of: unknown, key: string) => Object.getOwnPropertyDescriptor(of as object, key)?.value as unknown;
    assert.deepEqual([row?.namespace, row?.name, row?.service_account], ['constructor', 'a-0.b9', '__proto__']);
    assert.equal(Object.keys(row?.labels as object).length, 64);
    assert.equal(own(row?.labels, '__proto__'), 'x');
    assert.equal(own(row?.labels, 'constructor'), 'y');
    assert.equal(own(row?.labels, 'example.com/A.b_c-9'), 'Z.z_z-0');
    assert.ok(Object.keys(row?.resource_attributes as object).length <= 64);
    assert.equal(own(row?.resource_attributes, 'big'), undefined, 'longer than is kept');
    assert.equal(Object.keys(row?.containers as object).length, 64);
    assert.equal(own(row?.containers, '0'.repeat(64)), '__proto__');
    assert.ok(Object.keys(row?.images as object).length <= 64);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
    assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
    close();
  });
});
