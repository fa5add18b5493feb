/** The stand-in for Grafana and its ClickHouse plugin follows the rules it names. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expandPromql, expandSql, type VariableValue } from './support/expand.ts';

const view = { from: 1_000.5, to: 1_060.25, intervalS: 15, scrapeS: 10 };
const one: VariableValue = { value: "a.b'c", many: false };
const dollars: VariableValue = { value: 'a$re$b', many: false };
const hostile: VariableValue = { value: "\\' OR 1 -- (a)", many: false };
const many: VariableValue = { value: ['a.b', 'c'], many: true };
const all: VariableValue = { value: '$__all', allValue: '.*', many: true };

describe('expansion as Grafana does it', () => {
  it('PromQL: single values are quoted, lists become an alternative, All is its own value', () => {
    const text = `x{a="$one",b=~"$many",c=~"\${all}"}[$__rate_interval] $unknown`;
    const expected = 'x{a="a.b\'c",b=~"(a\\\\.b|c)",c=~".*"}[40s] $unknown';
    assert.equal(expandPromql(text, { one, many, all }, view), expected);
    assert.equal(expandPromql('x[$__range] offset $__interval', {}, view), 'x[60s] offset 15s');
  });

  it('SQL: formats by name, macros by the time range', () => {
    assert.equal(expandSql(`'^(?:\${many:regex})$'`, { many }, view), "'^(?:(a\\.b|c))$'");
    assert.equal(expandSql(`$re$\${dollars:regex}$re$`, { dollars }, view), '$re$a\\$re\\$b$re$');
    assert.equal(expandSql(`'\${hostile:percentencode}'`, { hostile }, view), "'%5C%27%20OR%201%20--%20%28a%29'");
    assert.equal(expandSql(`'\${many:percentencode}'`, { many }, view), "'%7Ba.b%2Cc%7D'");
    assert.equal(expandSql(`'^(?:\${all:regex})$'`, { all }, view), "'^(?:.*)$'");
    assert.equal(
      expandSql('$__timeFilter_ms(time)', {}, view),
      'time >= fromUnixTimestamp64Milli(1000500) AND time <= fromUnixTimestamp64Milli(1060250)',
    );
    assert.equal(
      expandSql('f($__fromTime) AND $__timeInterval(time)', {}, view),
      'f(toDateTime(1000)) AND toStartOfInterval(toDateTime(time), INTERVAL 15 second)',
    );
  });

  it('SQL: a macro without brackets takes the next ones for its own, as the plugin does', () => {
    assert.equal(expandSql('a <= $__toTime GROUP BY f(b)', {}, view), 'a <= toDateTime(1060)');
  });

  it('what it does not know is an error', () => {
    assert.throws(() => expandSql('$__dateFilter(day)', {}, view), /dateFilter/);
    assert.throws(() => expandSql(`\${many:csv}`, { many }, view), /csv/);
  });
});
