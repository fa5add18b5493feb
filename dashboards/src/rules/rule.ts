/** What a rule is before it is rendered. */

/** Where the links of an alert lead to; each without a slash at its end. */
export interface Links {
  /** Folder or address of the runbooks. Default: their folder in this repository. */
  readonly runbooks: string;
  /** Grafana. Default: its own default address on this machine. */
  readonly grafana: string;
  /** Query API. Default: its own default address on this machine. */
  readonly queryApi: string;
}

export const DEFAULT_LINKS: Links = {
  runbooks: 'dashboards/runbooks',
  grafana: 'http://127.0.0.1:3000',
  queryApi: 'http://127.0.0.1:7470',
};

/** A length of time as Prometheus writes it, after the time factor: `(300) → 5m`, with a factor of 1/30 `10s`. */
export type Span = (seconds: number) => string;

/** What rules are made of, beside themselves. */
export interface RuleContext {
  readonly span: Span;
  readonly links: Links;
}

/** A series that is computed ahead. */
export interface RecordingRule {
  /** `level:metric:operations`. The name keeps saying 5m when the time factor is another than 1. */
  readonly record: string;
  readonly doc: string;
  readonly expr: string;
}

/** How soon somebody has to look: now, today, or when there is time. */
export type Severity = 'critical' | 'warning' | 'info';

/** An alert. */
export interface AlertRule {
  /** Also the name of its runbook: dashboards/runbooks/<alert>.md. */
  readonly alert: string;
  readonly severity: Severity;
  readonly expr: string;
  /** How long the expression must hold, in seconds, before the time factor. */
  readonly forS: number;
  /** How long the alert goes on after the expression's last result, in seconds, before the time factor. 0: not at all. */
  readonly keepFiringS: number;
  /** The same text for every instance of the alert. */
  readonly summary: string;
  /** Go template over $labels and $value. */
  readonly description: string;
  /** Go templates: the page of Grafana that shows it, and the first question to the query API. */
  readonly dashboardUrl: string;
  readonly firstQuery: string;
}

/**
 * @param factor what `for` and windows are multiplied by; 1 is what is committed. The demo takes 1/30.
 * @returns durations as Prometheus writes them; less than a millisecond becomes one
 */
export function spanOf(factor: number): Span {
  return (seconds) => {
    const ms = Math.max(Math.round(seconds * factor * 1_000), 1);
    if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
    if (ms % 60_000 === 0) return `${ms / 60_000}m`;
    return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
  };
}
