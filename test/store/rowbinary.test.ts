import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRows, encodeRow } from '../../store/rowbinary.ts';
import { ENDPOINTS, FLOWS, REQUESTS, TABLES, VERDICTS } from '../../store/tables.ts';

const ENDPOINT = {
  endpoint_id: '18446744073709551615',
  cluster: 'here',
  node: 'n1',
  kind: 'unit',
  namespace: null,
  workload: 'nginx.service',
  name: 'nginx.service',
  pod_uid: '0b6d7c0e-5a0f-4a0f-8a59-0d6b3a6f3c11',
  workload_kind: 'Deployment',
  service_account: null,
  zone: 'z1',
  services: ['web', 'web-headless'],
  container_id: null,
  containers: { c1: 'main', c2: 'proxy' },
  images: { main: 'registry.test:5000/web:1.4' },
  cgroup_id: '4711',
  cgroup_path: '/system.slice/nginx.service',
  addresses: ['10.0.0.1', '2001:db8::1'],
  labels: { app: 'web', 'a.b/c': 'ü' },
  resource_attributes: { 'service.name': 'shop' },
  valid_from: '2026-11-21T11:32:02.123456789Z',
  valid_to: '2262-01-01T00:00:00.000000000Z',
  updated: '2026-11-21T11:32:03.000000000Z',
};

test('a row comes back as it went in', () => {
  assert.deepEqual(decodeRows(ENDPOINTS, encodeRow(ENDPOINTS, ENDPOINT)), [ENDPOINT]);
});

test('signed numbers come back as they went in', () => {
  for (const rule_index of [-1, 0, 2_147_483_647, -2_147_483_648]) {
    const [row] = decodeRows(VERDICTS, encodeRow(VERDICTS, { rule_index }));
    assert.equal(row?.rule_index, rule_index);
  }
  assert.throws(() => encodeRow(VERDICTS, { rule_index: 2 ** 31 }), { code: 'FLOW_STORE_VALUE' });
});

test('rows stand back to back, absent columns are zero, unknown is null', () => {
  for (const table of TABLES) {
    const rows = decodeRows(table, Buffer.concat([encodeRow(table, {}), encodeRow(table, {})]));
    assert.equal(rows.length, 2, table.name);
    assert.deepEqual(
      Object.keys(rows[0]!),
      table.columns.map((column) => column.name),
    );
  }
  const [row] = decodeRows(REQUESTS, encodeRow(REQUESTS, { http_path: '0', trace_id: '00'.repeat(16) }));
  assert.equal(row!.http_path, '0');
  assert.equal(row!.trace_id, null);
  assert.equal(row!.source_endpoint_id, null);
  assert.equal(row!.request_bytes, '0', 'a counter that is 0 is known to be 0');
});

test('what does not fit is refused with the column named', () => {
  assert.throws(() => encodeRow(FLOWS, { source_port: 65536 }), /FLOW|source_port/);
  assert.throws(() => encodeRow(FLOWS, { verdict: 'perhaps' }), { code: 'FLOW_STORE_VALUE' });
  assert.throws(() => encodeRow(FLOWS, { nonesuch: 1 }), { code: 'FLOW_STORE_COLUMN' });
  assert.throws(() => encodeRow(FLOWS, { time: 'yesterday' }), { code: 'FLOW_STORE_VALUE' });
  const bytes = encodeRow(ENDPOINTS, ENDPOINT);
  for (let length = 1; length < bytes.length; length++) {
    assert.throws(() => decodeRows(ENDPOINTS, bytes.subarray(0, length)), { code: 'FLOW_STORE_ROW_CUT' });
  }
});
