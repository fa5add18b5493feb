/** /openapi.json is OpenAPI 3.1, its schemas are JSON Schema 2020-12, and answers are what it says. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { COLLECTOR_REPORTS, FLOWS, REQUESTS, TABLES } from '../../store/tables.ts';
import { clientView, report, request, SECOND, window } from './rows.ts';
import { insertSamples } from './samples.ts';
import { Scene } from './scene.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document of JSON
type Json = any;
interface Ajv {
  compile(schema: Json): ((value: unknown) => boolean) & { errors?: Json };
  validateSchema(schema: Json): boolean;
  errors?: Json;
}
/** ajv comes with fastify. */
const require = createRequire(import.meta.url);
const Ajv2020 = require('ajv/dist/2020.js').default as new (options: Json) => Ajv;
const addFormats = require('ajv-formats').default as (ajv: Ajv) => void;

let scene: Scene;
let document: Json;
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);

before(async () => {
  scene = await Scene.start();
  await insertSamples(scene);
  const both = request(10n * SECOND, { source_port: 47000 });
  await scene.insert(REQUESTS, [both, clientView(both)]);
  await scene.insert(COLLECTOR_REPORTS, [report(0n), report(20n * SECOND)]);
  document = (await scene.get('/openapi.json')).body;
});
after(() => scene.close());

test('the document has the form of OpenAPI 3.1', () => {
  assert.equal(document.openapi, '3.1.0');
  assert.ok(document.info.title && document.info.version);
  for (const [path, item] of Object.entries<Json>(document.paths)) {
    assert.ok(path.startsWith('/'));
    for (const [method, operation] of Object.entries<Json>(item)) {
      assert.ok(['get', 'head', 'post'].includes(method), `${method} ${path}`);
      assert.ok(operation.summary.length > 0, path);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = (operation.parameters ?? [])
        .filter((one: Json) => one.in === 'path')
        .map((one: Json) => one.name);
      assert.deepEqual(declared, inPath);
      const names = (operation.parameters ?? []).map((one: Json) => `${one.in} ${one.name}`);
      assert.equal(new Set(names).size, names.length, 'each parameter once');
      for (const parameter of operation.parameters ?? []) {
        assert.ok(parameter.schema && parameter.description, `${path} ${parameter.name}`);
        assert.equal(parameter.required, parameter.in === 'path');
      }
      assert.ok(operation.responses['200'].description);
      assert.ok(operation.responses.default.content['application/problem+json'].schema);
    }
  }
});

test('every schema is JSON Schema 2020-12', () => {
  let count = 0;
  const visit = (value: Json): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (key === 'schema') {
        assert.ok(ajv.validateSchema(child), JSON.stringify(ajv.errors));
        count += 1;
      } else {
        visit(child);
      }
    }
  };
  visit(document.paths);
  assert.ok(count > 100);
});

test('the paths are those of the plan', () => {
  for (const path of ['flows', 'requests', 'tcp-events', 'verdicts', 'edges', 'endpoints', 'requests/{id}', 'live']) {
    assert.ok(document.paths[`/v1/${path}`], path);
  }
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) assert.ok(document.paths[path], path);
});

test('every column of the tables is described where it is answered', () => {
  for (const [path, name] of [
    ['/v1/flows', 'flows'],
    ['/v1/requests', 'requests'],
    ['/v1/tcp-events', 'tcp_events'],
    ['/v1/verdicts', 'verdicts'],
    ['/v1/endpoints', 'endpoints'],
  ] as const) {
    const schema = document.paths[path].get.responses['200'].content['application/json'].schema;
    const items = schema.properties.data.items;
    const row = items.anyOf?.[0] ?? items;
    for (const column of TABLES.find((table) => table.name === name)!.columns) {
      assert.match(
        row.properties[column.name].description,
        new RegExp(column.doc.slice(0, 20).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
      );
    }
  }
});

/** What is not described may not be there. */
function closed(schema: Json): Json {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed);
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  if (copy.type === 'object' && copy.properties !== undefined) copy.additionalProperties ??= false;
  return copy;
}

for (const [path, route] of [
  [`/v1/flows?${window(300)}`, '/v1/flows'],
  [`/v1/requests?${window(300)}`, '/v1/requests'],
  [`/v1/tcp-events?${window(300)}`, '/v1/tcp-events'],
  [`/v1/verdicts?${window(300)}`, '/v1/verdicts'],
  [`/v1/verdicts?${window(300)}&group_by=policy_name&measures=count,denied`, '/v1/verdicts'],
  [`/v1/requests?${window(300)}&group_by=outcome&measures=count,p99_duration_ns`, '/v1/requests'],
  ['/v1/endpoints', '/v1/endpoints'],
  [`/v1/edges?${window(300)}`, '/v1/edges'],
  ['/v1/requests/<id>', '/v1/requests/{id}'],
  ['/healthz', '/healthz'],
] as const) {
  test(`${route} answers as described`, async () => {
    const { body: first } = await scene.get(`/v1/requests?${window(300)}&source_port=47000`);
    const { status, body } = await scene.get(path.replace('<id>', first.data[0].id));
    assert.equal(status, 200);
    const schema = closed(document.paths[route].get.responses['200'].content['application/json'].schema);
    if (Array.isArray(schema.properties?.data?.items?.anyOf)) {
      // a row or a group: rows must be described in full
      schema.properties.data.items = schema.properties.data.items.anyOf[path.includes('group_by') ? 1 : 0];
    }
    const validate = ajv.compile(schema);
    assert.ok(validate(body), JSON.stringify(validate.errors?.slice(0, 3)));
    if (Array.isArray(body.data)) assert.ok(body.data.length > 0);
  });
}

test('problems are as described', async () => {
  const { body } = await scene.get('/v1/flows?nonsense=1');
  const schema = document.paths['/v1/flows'].get.responses.default.content['application/problem+json'].schema;
  const validate = ajv.compile(closed(schema));
  assert.ok(validate(body), JSON.stringify(validate.errors));
});

test('every parameter that is described is taken', async () => {
  for (const route of ['flows', 'requests', 'tcp-events', 'verdicts', 'edges', 'endpoints'].map(
    (one) => `/v1/${one}`,
  )) {
    for (const { name } of [...document.paths[route].get.parameters, { name: 'nonsense' }]) {
      // Refused before the store is asked: names are looked at first.
      const { body } = await scene.get(`${route}?${name}=%00&limit=none`);
      assert.equal(body.code === 'FLOW_QUERY_UNKNOWN_PARAMETER', name === 'nonsense', `${route} ${name}: ${body.code}`);
      assert.match(body.code, /^FLOW_QUERY_/);
    }
  }
  assert.ok(FLOWS.columns.length > 0);
});
