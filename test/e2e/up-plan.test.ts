/** What `flowspan up` decides before it starts anything, and how it shows its children's lines. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../collector/src/config.ts';
import { formatLine } from '../../query-api/cli/log_line.ts';
import { type Plan, plan } from '../../query-api/cli/up.ts';

function planOf(argv: readonly string[], env: Record<string, string> = {}): Plan {
  return plan(argv, env, loadConfig(argv, env));
}

describe('the plan of flowspan up', () => {
  it('is the embedded store where no ClickHouse is named', () => {
    const { embedded, clickhouseUrl, collectorUrl, queryApiUrl } = planOf([]);
    assert.deepEqual(
      [embedded, clickhouseUrl, collectorUrl, queryApiUrl],
      [true, 'http://127.0.0.1:8123', 'http://127.0.0.1:7471', 'http://127.0.0.1:7470'],
    );
  });

  it('tells every process where the others are', () => {
    const { env } = planOf(['--store-listen', '127.0.0.1:9000', '--collector-listen', '[::1]:9001']);
    assert.deepEqual(env, {
      FLOWSPAN_CLICKHOUSE_URL: 'http://127.0.0.1:9000',
      FLOWSPAN_QUERY_API_COLLECTORS: 'http://[::1]:9001',
    });
  });

  it('reaches a store that listens everywhere over loopback', () => {
    const open = ['--store-listen', '0.0.0.0:9000', '--store-reader-password', 'secret'];
    assert.equal(planOf(open).clickhouseUrl, 'http://127.0.0.1:9000');
  });

  it('leaves the store out where a ClickHouse is named, be it at the default address', () => {
    const named: readonly [readonly string[], Record<string, string>][] = [
      [[], { FLOWSPAN_CLICKHOUSE_URL: 'http://127.0.0.1:8123' }],
      [['--clickhouse-url', 'http://127.0.0.1:8123'], {}],
      [['--clickhouse-url=https://clickhouse.example:8443'], {}],
      [[], { FLOWSPAN_CLICKHOUSE_USER: 'somebody' }],
    ];
    for (const [argv, env] of named) assert.equal(planOf(argv, env).embedded, false, JSON.stringify([argv, env]));
  });

  it('leaves collectors alone that were named', () => {
    const { env } = planOf([], { FLOWSPAN_QUERY_API_COLLECTORS: 'http://10.0.0.1:7471,http://10.0.0.2:7471' });
    assert.equal(env.FLOWSPAN_QUERY_API_COLLECTORS, undefined);
  });
});

describe("a child's line on a terminal", () => {
  it('is short, and has the error with its code', () => {
    assert.equal(formatLine('store', '{"level":30,"msg":"ready"}', 'info'), 'store: ready');
    assert.equal(
      formatLine('collector', '{"level":50,"code":"FLOW_X_Y","msg":"cannot","err":{"message":"because"}}', 'warn'),
      'collector: error: FLOW_X_Y: cannot: because',
    );
  });

  it('is left out below the level that is shown', () => {
    assert.equal(formatLine('store', '{"level":30,"msg":"ready"}', 'warn'), undefined);
  });

  it('is shown as it is where it is no log record', () => {
    for (const line of ['program  attached', '{"half', '']) assert.equal(formatLine('store', line, 'warn'), line);
  });
});
