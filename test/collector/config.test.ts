import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { readerAccount, writerAccount } from '../../collector/src/accounts.ts';
import { ConfigError, configChanges, isLoopback, loadConfig, parseListen } from '../../collector/src/config.ts';
import { modeIn, STEPS, stepsWanted } from '../../collector/src/config_dataplane.ts';
import { configHelp } from '../../collector/src/config_help.ts';

function withFile(text: string, run: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-config-'));
  try {
    writeFileSync(join(directory, 'flowspan.yaml'), text);
    run(join(directory, 'flowspan.yaml'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function refusal(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  assert.fail('was accepted');
}

test('without any source the defaults hold', () => {
  const config = loadConfig([], {});
  assert.equal(config.node, hostname());
  assert.equal(config.collector.listen, '127.0.0.1:7471');
  assert.equal(config.collector.flow_interval_s, 10);
  assert.equal(config.store.byte_budget, 10 * 1024 ** 3);
  assert.deepEqual(config.query_api.collectors, ['http://127.0.0.1:7471']);
});

test('flags win over the environment, the environment over the file', () => {
  withFile('cluster: file\nlog_level: warn\ncollector:\n  flow_interval_s: 7\nstore:\n', (path) => {
    const env = { FLOWSPAN_CONFIG: path, FLOWSPAN_LOG_LEVEL: 'error', FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: '8' };
    const config = loadConfig(['--collector-flow-interval-s', '9'], env);
    assert.equal(config.cluster, 'file');
    assert.equal(config.log_level, 'error');
    assert.equal(config.collector.flow_interval_s, 9);
  });
});

test('text becomes what the schema asks for', () => {
  const config = loadConfig(['--collector-insecure-without-token', '--store-byte-budget=2GiB'], {
    FLOWSPAN_COLLECTOR_REDACTION_ALLOW_QUERY_NAMES: 'page, sort',
    FLOWSPAN_COLLECTOR_OUTSIDE: '[{name: office, cidrs: [192.0.2.0/24]}]',
    FLOWSPAN_SERVICE_HOST: '10.0.0.1',
  });
  assert.equal(config.collector.insecure_without_token, true);
  assert.equal(config.store.byte_budget, 2 * 1024 ** 3);
  assert.deepEqual(config.collector.redaction.allow_query_names, ['page', 'sort']);
  assert.deepEqual(config.collector.outside, [{ name: 'office', cidrs: ['192.0.2.0/24'] }]);
});

test('an error names the key, the value and what is allowed', () => {
  const cases: [string[], Record<string, string>, string, string, unknown, RegExp][] = [
    [['--nonsense', '1'], {}, 'FLOW_CONFIG_FLAG', '--nonsense', '--nonsense', /flag/],
    [['--log-level'], {}, 'FLOW_CONFIG_FLAG', '--log-level', undefined, /value/],
    [['--log-level', 'loud'], {}, 'FLOW_CONFIG_VALUE', 'log_level', 'loud', /debug/],
    [['--config', '/nonexistent'], {}, 'FLOW_CONFIG_FILE', 'config', '/nonexistent', /read/],
    [
      [],
      { FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: '0' },
      'FLOW_CONFIG_VALUE',
      'collector.flow_interval_s',
      0,
      /1 to 3600 s/,
    ],
    [[], { FLOWSPAN_STORE_LISTEN: 'here' }, 'FLOW_CONFIG_VALUE', 'store.listen', 'here', /address:port/],
    [
      [],
      { FLOWSPAN_CLICKHOUSE_URL: 'http://u:p@h' },
      'FLOW_CONFIG_VALUE',
      'clickhouse.url',
      '(hidden)',
      /without cred/,
    ],
    [[], { FLOWSPAN_COLLECTOR_LISTEN: '0.0.0.0:1' }, 'FLOW_CONFIG_EXPOSED', 'collector.listen', '0.0.0.0:1', /token/],
    [
      [],
      { FLOWSPAN_COLLECTOR_OUTSIDE: '[{name: a, cidrs: [nowhere]}]' },
      'FLOW_CONFIG_VALUE',
      'collector.outside.0.cidrs.0',
      'nowhere',
      /prefix/,
    ],
    [
      [],
      { FLOWSPAN_COLLECTOR_RECORDS_RING_BYTES: '100000' },
      'FLOW_CONFIG_VALUE',
      'collector.records_ring_bytes',
      100000,
      /two/,
    ],
  ];
  for (const [argv, env, code, key, value, allowed] of cases) {
    const error = refusal(() => loadConfig(argv, env));
    assert.deepEqual([error.code, error.key, error.value], [code, key, value]);
    assert.match(error.allowed, allowed);
  }
});

test('an error in a file is told: unknown keys, wrong kinds, YAML that is none', () => {
  withFile('collector:\n  listn: x\n', (path) => {
    const error = refusal(() => loadConfig(['--config', path], {}));
    assert.equal(error.code, 'FLOW_CONFIG_UNKNOWN_KEY');
    assert.equal(error.key, 'collector.listn');
    assert.match(error.allowed, /listen/);
  });
  withFile('collector: 3\n', (path) => {
    const error = refusal(() => loadConfig(['--config', path], { FLOWSPAN_COLLECTOR_LISTEN: '127.0.0.1:1' }));
    assert.deepEqual([error.code, error.key, error.value], ['FLOW_CONFIG_VALUE', 'collector', 3]);
  });
  withFile('a: [', (path) =>
    assert.equal(refusal(() => loadConfig(['--config', path], {})).code, 'FLOW_CONFIG_SYNTAX'),
  );
});

test('a secret never shows in an error', () => {
  withFile('store:\n  writer_password: [hunter2]\n', (path) => {
    assert.doesNotMatch(refusal(() => loadConfig(['--config', path], {})).message, /hunter2/);
  });
  withFile('otlp:\n  headers:\n    authorization: [hunter2]\n', (path) => {
    const error = refusal(() => loadConfig(['--config', path], {}));
    assert.equal(error.key, 'otlp.headers.authorization');
    assert.doesNotMatch(error.message, /hunter2/);
  });
});

test('changes are told apart by what a running collector can take', () => {
  const before = loadConfig([], {});
  const after = loadConfig(['--log-level', 'debug', '--collector-listen', '127.0.0.1:1'], {});
  assert.deepEqual(configChanges(before, after), { reloadable: ['log_level'], restart: ['collector.listen'] });
});

test('the data plane observes unless a step or a namespace says otherwise', () => {
  const { dataplane: plain } = loadConfig([], {});
  assert.deepEqual(plain, {
    load_balancing: 'observe',
    policy: 'observe',
    redirect: 'observe',
    namespaces: {},
    refusal: 'forbidden',
  });
  withFile('dataplane:\n  policy: audit\n  namespaces:\n    shop: {policy: enforce, redirect: audit}\n', (path) => {
    const { dataplane } = loadConfig(['--config', path, '--dataplane-redirect', 'enforce'], {});
    const modes = (namespace: string) => STEPS.map((step) => modeIn(dataplane, step, namespace));
    assert.deepEqual(modes('shop'), ['observe', 'enforce', 'audit']);
    assert.deepEqual(modes('other'), ['observe', 'audit', 'enforce']);
    assert.deepEqual(modes('constructor'), modes('other'));
    assert.deepEqual(stepsWanted(dataplane), ['policy', 'redirect']);
  });
  const env = { FLOWSPAN_DATAPLANE_NAMESPACES: '{shop: {load_balancing: audit}}' };
  assert.deepEqual(stepsWanted(loadConfig([], env).dataplane), ['load_balancing']);
});

test('a mode, a step or a namespace that is none is refused', () => {
  const cases: [namespaces: string, key: string, code: string][] = [
    ['{shop: {policy: deny}}', 'dataplane.namespaces.shop.policy', 'FLOW_CONFIG_VALUE'],
    ['{shop: {polices: audit}}', 'dataplane.namespaces.shop.polices', 'FLOW_CONFIG_UNKNOWN_KEY'],
    ['{shop: audit}', 'dataplane.namespaces.shop', 'FLOW_CONFIG_VALUE'],
    ['{Shop: {policy: audit}}', 'dataplane.namespaces', 'FLOW_CONFIG_VALUE'],
    ['[shop]', 'dataplane.namespaces', 'FLOW_CONFIG_VALUE'],
  ];
  for (const [namespaces, key, code] of cases) {
    const error = refusal(() => loadConfig([], { FLOWSPAN_DATAPLANE_NAMESPACES: namespaces }));
    assert.deepEqual([error.key, error.code], [key, code], namespaces);
    assert.match(error.allowed, /observe, audit, enforce|load_balancing, policy, redirect|^a mapping of/, namespaces);
  }
  assert.equal(refusal(() => loadConfig(['--dataplane-policy', 'on'], {})).key, 'dataplane.policy');
});

test('listen values are taken apart', () => {
  assert.deepEqual(parseListen('[::1]:80'), { host: '::1', port: 80 });
  assert.equal(parseListen('::1:80'), undefined);
  assert.equal(parseListen('h:70000'), undefined);
  assert.ok(isLoopback('127.0.0.2:1') && isLoopback('[::1]:1') && !isLoopback('0.0.0.0:1'));
});

test('the writer password is made once, kept private, and the same for everyone', () => {
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-account-'));
  try {
    const config = loadConfig(['--data-dir', directory], {});
    const account = writerAccount(config);
    assert.equal(account.username, 'collector');
    assert.ok(account.password.length >= 32);
    assert.deepEqual(writerAccount(config), account);
    assert.equal(statSync(join(directory, 'writer_password')).mode & 0o777, 0o600);
    assert.deepEqual(readerAccount(config), { username: 'default', password: '' });
    const server = loadConfig(['--clickhouse-user', 'me', '--clickhouse-password', 'secret'], {});
    assert.deepEqual(writerAccount(server), { username: 'me', password: 'secret' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('every key is explained where its command is asked for help', () => {
  const help = configHelp('collector');
  assert.match(help, /--collector-flow-interval-s \(FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S\)/);
  assert.match(help, /--clickhouse-url/);
  assert.doesNotMatch(help, /--store-listen/);
  assert.match(configHelp('store'), /--store-byte-budget/);
});
