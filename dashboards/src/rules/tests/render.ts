/** Renders the scenarios as test files of `promtool test rules`. */
import { Document } from 'yaml';
import { ALERTS_FILE, RECORDING_FILE } from '../render.ts';
import { CORRELATED } from './correlated.ts';
import { EDGES } from './edges.ts';
import { OWN } from './own.ts';
import type { Scenario } from './scenario.ts';
import { STEP_S } from './series.ts';

const HEADER = ' Written by dashboards/src/render.ts from dashboards/src/rules/tests/. Run: promtool test rules FILE';

function test({ name, series, alerts, values = [] }: Scenario): Record<string, unknown> {
  return {
    name,
    interval: `${STEP_S}s`,
    input_series: series,
    alert_rule_test: alerts.map(({ minute, alert, firing }) => ({
      eval_time: `${minute}m`,
      alertname: alert,
      exp_alerts: firing,
    })),
    ...(values.length === 0
      ? {}
      : {
          promql_expr_test: values.map(({ minute, expr, samples }) => ({
            expr,
            eval_time: `${minute}m`,
            exp_samples: samples,
          })),
        }),
  };
}

function file(scenarios: readonly Scenario[]): string {
  const document = new Document(
    {
      rule_files: [`../${RECORDING_FILE}`, `../${ALERTS_FILE}`],
      evaluation_interval: `${STEP_S}s`,
      tests: scenarios.map(test),
    },
    { aliasDuplicateObjects: false },
  );
  document.commentBefore = HEADER;
  return document.toString({ lineWidth: 120 });
}

/** Text of the test files by name; they lie in dashboards/rules/tests/. */
export function ruleTestFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['correlated.yml', file(CORRELATED)],
    ['edges.yml', file(EDGES)],
    ['own.yml', file(OWN)],
  ]);
}
