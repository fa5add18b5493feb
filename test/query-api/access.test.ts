/** Who may ask: tokens, host names, origins, and where the API listens. */
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { checkAccess } from '../../query-api/src/access.ts';
import { QueryError } from '../../query-api/src/errors.ts';
import { startQueryApi } from '../../query-api/src/main.ts';
import type { Access } from '../../query-api/src/options.ts';
import { inScope, scoped } from '../../query-api/src/scope.ts';
import { Parameters as BoundParameters } from '../../query-api/src/sql/parameters.ts';
import { configFor, silent } from './scene.ts';

const NOWHERE = 'http://127.0.0.1:9';

function refusal(access: Given, headers: Record<string, string>): string | undefined {
  try {
    checkAccess({ token: '', loopback: true, allowedOrigins: [], ...access }, headers);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof QueryError);
    return error.code;
  }
}
type Given = Partial<Access>;

const HOST = { host: '127.0.0.1:7470' };

for (const [what, access, headers, code] of [
  ['loopback without a token', {}, HOST, undefined],
  ['localhost', {}, { host: 'localhost:7470' }, undefined],
  ['[::1]', {}, { host: '[::1]:7470' }, undefined],
  ['a name that points at loopback (DNS rebinding)', {}, { host: 'evil.example:7470' }, 'FLOW_QUERY_HOST_REFUSED'],
  ['a name that begins like loopback', {}, { host: '127.0.0.1.evil.example' }, 'FLOW_QUERY_HOST_REFUSED'],
  ['no host', {}, {}, 'FLOW_QUERY_HOST_REFUSED'],
  ['the own origin', {}, { ...HOST, origin: 'http://127.0.0.1:7470' }, undefined],
  ['another origin', {}, { ...HOST, origin: 'https://evil.example' }, 'FLOW_QUERY_ORIGIN_REFUSED'],
  ['another port', {}, { ...HOST, origin: 'http://127.0.0.1:9999' }, 'FLOW_QUERY_ORIGIN_REFUSED'],
  ['a file', {}, { ...HOST, origin: 'null' }, 'FLOW_QUERY_ORIGIN_REFUSED'],
  [
    'an allowed origin',
    { allowedOrigins: ['https://ui.example'] },
    { ...HOST, origin: 'https://ui.example' },
    undefined,
  ],
  ['no token shown', { token: 'secret' }, HOST, 'FLOW_QUERY_NO_TOKEN'],
  ['a wrong token', { token: 'secret' }, { ...HOST, authorization: 'Bearer secre' }, 'FLOW_QUERY_NO_TOKEN'],
  ['another scheme', { token: 'secret' }, { ...HOST, authorization: 'Basic secret' }, 'FLOW_QUERY_NO_TOKEN'],
  [
    'the token',
    { token: 'secret', loopback: false },
    { host: 'api.example', authorization: 'Bearer secret' },
    undefined,
  ],
  [
    'the token as subprotocol',
    { token: 'secret' },
    { ...HOST, 'sec-websocket-protocol': 'flowspan.live, flowspan.token.secret' },
    undefined,
  ],
  [
    'a wrong subprotocol',
    { token: 'secret' },
    { ...HOST, 'sec-websocket-protocol': 'flowspan.token.x' },
    'FLOW_QUERY_NO_TOKEN',
  ],
] as const) {
  test(`${what}: ${code ?? 'may ask'}`, () => {
    assert.equal(refusal(access as Given, headers as Record<string, string>), code);
  });
}

test('listening beyond loopback needs a token, or a flag that says it is insecure', async () => {
  const config = configFor(NOWHERE, { listen: '0.0.0.0:0' });
  await assert.rejects(startQueryApi(config, silent()), { code: 'FLOW_QUERY_OPEN_TO_ALL' });
  for (const own of [{ token: 'secret' }, { insecure_without_token: true }]) {
    const api = await startQueryApi(configFor(NOWHERE, { listen: '0.0.0.0:0', ...own }), silent());
    await api.close();
  }
});

test('over HTTP: 401 names the scheme, health answers without a token', async () => {
  const api = await startQueryApi(configFor(NOWHERE, { token: 'secret' }), silent());
  try {
    const refused = await fetch(`http://${api.listen}/v1/flows`);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer/);
    assert.match(refused.headers.get('content-type') ?? '', /problem\+json/);
    assert.equal((await fetch(`http://${api.listen}/healthz`)).status, 200);
    assert.equal((await fetch(`http://${api.listen}/openapi.json`)).status, 401);
    const shown = await fetch(`http://${api.listen}/openapi.json`, { headers: { authorization: 'Bearer secret' } });
    assert.equal(shown.status, 200);
  } finally {
    await api.close();
  }
});

test('over HTTP: another host name is refused', async () => {
  const api = await startQueryApi(configFor(NOWHERE, {}), silent());
  const { port, hostname } = new URL(`http://${api.listen}`);
  try {
    const status = await new Promise((resolve, reject) => {
      httpRequest({ hostname, port, path: '/v1/flows', headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(status, 403);
  } finally {
    await api.close();
  }
});

test('the scope is in every table that SQL names, and in live rows', () => {
  const parameters = new BoundParameters();
  const some = scoped({ clusters: ['a', 'b'], claims: 'none' }, 'flows', 't', parameters);
  assert.deepEqual(some, { from: 'flows AS t', condition: 't.cluster IN {p0:Array(String)}' });
  assert.deepEqual(parameters.values, { p0: ['a', 'b'] });
  assert.equal(inScope({ clusters: ['a'] }, { cluster: 'a' }), true);
  assert.equal(inScope({ clusters: ['a'] }, { cluster: 'b' }), false);
});
