/** Renders the rules as Prometheus rule files. */
import { Document, isMap, isSeq, type YAMLMap } from 'yaml';
import { edgeAlerts } from './edge_alerts.ts';
import { ownAlerts } from './own_alerts.ts';
import { recordingRules } from './recording.ts';
import { type AlertRule, DEFAULT_LINKS, type Links, type RuleContext, spanOf } from './rule.ts';

/** How rules are rendered. */
export interface RuleOptions {
  /**
   * What every `for`, `keep_firing_for`, window and offset is multiplied by; thresholds and names stay. Default 1: what
   * is committed. The demo takes 1/30, so that five minutes become ten seconds.
   */
  readonly timeFactor?: number;
  /** Default: DEFAULT_LINKS. */
  readonly links?: Partial<Links>;
}

/** Names of the rendered files under dashboards/rules/. */
export const RECORDING_FILE = 'flowspan-recording.yml';
export const ALERTS_FILE = 'flowspan-alerts.yml';

const HEADER = ' Written by dashboards/src/render.ts from dashboards/src/rules/; `make check` compares. Do not edit.';

function contextOf({ timeFactor = 1, links = {} }: RuleOptions): RuleContext {
  return { span: spanOf(timeFactor), links: { ...DEFAULT_LINKS, ...links } };
}

/** Every alert, in the order of the file. */
export function alertRules(options: RuleOptions = {}): AlertRule[] {
  const context = contextOf(options);
  return [...edgeAlerts(context), ...ownAlerts(context)];
}

function alertEntry(rule: AlertRule, { span, links }: RuleContext): Record<string, unknown> {
  return {
    alert: rule.alert,
    expr: rule.expr,
    for: span(rule.forS),
    ...(rule.keepFiringS > 0 ? { keep_firing_for: span(rule.keepFiringS) } : {}),
    labels: { severity: rule.severity },
    annotations: {
      summary: rule.summary,
      description: rule.description,
      runbook_url: `${links.runbooks}/${rule.alert}.md`,
      dashboard_url: rule.dashboardUrl,
      first_query: rule.firstQuery,
    },
  };
}

/** A rule file's text; `docs` stand as comments above the rules of the first group, in order. */
function file(groups: Record<string, unknown[]>, docs: readonly string[] = []): string {
  const document = new Document({
    groups: Object.entries(groups).map(([name, rules]) => ({ name, rules })),
  });
  document.commentBefore = HEADER;
  const rules = document.getIn(['groups', 0, 'rules']);
  if (isSeq(rules)) {
    for (const [index, rule] of rules.items.entries()) {
      const doc = docs[index];
      if (isMap(rule) && doc !== undefined) (rule as YAMLMap).commentBefore = ` ${doc}`;
    }
  }
  return document.toString({ lineWidth: 120 });
}

/** Text of both rule files by name. */
export function ruleFiles(options: RuleOptions = {}): ReadonlyMap<string, string> {
  const context = contextOf(options);
  const recording = recordingRules(context);
  return new Map([
    [
      RECORDING_FILE,
      file(
        { 'flowspan-edges': recording.map(({ record, expr }) => ({ record, expr })) },
        recording.map(({ doc }) => doc),
      ),
    ],
    [
      ALERTS_FILE,
      file({
        'flowspan-edge-alerts': edgeAlerts(context).map((rule) => alertEntry(rule, context)),
        'flowspan-own-alerts': ownAlerts(context).map((rule) => alertEntry(rule, context)),
      }),
    ],
  ]);
}
