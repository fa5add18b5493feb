/** The demo's Prometheus: scrapes the collector, evaluates the committed rules, and tells which alerts fire for the shop. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ruleFiles } from '../../dashboards/src/rules/render.ts';
import { temporaryFolder } from '../lab/folder.ts';
import { type Series, startPrometheus } from '../lab/prometheus.ts';
import { eventually } from '../lab/wait.ts';
import type { Flowspan } from './flowspan.ts';
import { HOSTS } from './shop.ts';

/** What `for`, windows and offsets of the committed rules are multiplied by: five minutes become ten seconds. */
export const TIME_FACTOR = 1 / 30;

/** The alert for an edge with errors and retransmits. */
export const CORRELATED = 'FlowspanRetransmitsWithServerErrors';

/** Retransmits below this share of an edge's segments are no loss. The alerts begin there. */
const CALM_RETRANSMIT_RATIO = 0.005;
const CALM_TIMEOUT_MS = 60_000;

/** An alert that fired for an edge of the shop. */
export interface FiredAlert {
  readonly alert: string;
  /** Name of the host, as everywhere in the demo. */
  readonly source: string;
  readonly destination: string;
}

/** `<alert> <source> -> <destination>` */
export const alertName = ({ alert, source, destination }: FiredAlert): string => `${alert} ${source} -> ${destination}`;

/** A running Prometheus with the rules. */
export interface Alerts {
  readonly url: string;
  /** Alerts of the shop's edges that began to fire between two times in ms since the epoch. */
  firedBetween(sinceMs: number, untilMs: number): Promise<FiredAlert[]>;
  /** Names of the alerts about Flowspan itself that fired between two times in ms since the epoch. */
  ownFiredBetween(sinceMs: number, untilMs: number): Promise<string[]>;
  /**
   * Resolves when no window holds errors or retransmits of the shop any more, no alert is about to fire for it, and
   * these alerts (undefined: all) do not: what comes then comes alone.
   * @throws Error with FLOW_DEMO_NOT_CALM after 60 s
   */
  calm(alerts?: readonly string[]): Promise<void>;
  /** Resolves when the alert fires for an edge, or in vain after `timeoutMs`. */
  fires(alert: FiredAlert, timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

const ANY_HOST = HOSTS.join('|');
/** Matchers of edges between two hosts of the shop. */
const SHOP = `source_workload=~"${ANY_HOST}",destination_workload=~"${ANY_HOST}"`;
const DISTURBED = [
  `edge:flowspan_http_server_errors_per_requests:ratio_rate5m{${SHOP}} > 0`,
  `edge_sender:flowspan_tcp_retransmitted_segments_per_segments:ratio_rate5m{${SHOP}} > ${CALM_RETRANSMIT_RATIO}`,
  // What a fault before has brought about would else fire during the next one.
  `ALERTS{alertstate="pending",${SHOP}}`,
];
/**
 * Alerts about Flowspan itself name no edge. None is excepted: with the demo's short windows FlowspanCollectorAbsent is
 * pending until the first scrape, before the shop is calm, and no other even begins to.
 */
const OWN = 'ALERTS{alertname=~"Flowspan.+",alertstate="firing",source_workload="",destination_workload=""}';

function notCalm(left: readonly Series[]): string {
  const series = left.map(({ metric, value: [, value] }) => `${JSON.stringify(metric)} ${value}`);
  const why = 'the shop still shows errors, retransmits or alerts though nothing is broken';
  return `FLOW_DEMO_NOT_CALM: ${why}: ${series.join('; ')}. Run it again when less else runs on this machine`;
}

/** Starts Prometheus; resolves when it answers, before the first scrape. */
export async function startAlerts(flowspan: Flowspan): Promise<Alerts> {
  const folder = join(temporaryFolder(), 'rules');
  mkdirSync(folder);
  const files = ruleFiles({ timeFactor: TIME_FACTOR, links: { queryApi: flowspan.queryApiUrl } });
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  const prometheus = await startPrometheus({
    scrape: [
      { job_name: 'flowspan-collector', static_configs: [{ targets: [new URL(flowspan.collectorUrl).host] }] },
      { job_name: 'flowspan-query-api', static_configs: [{ targets: [new URL(flowspan.queryApiUrl).host] }] },
      { job_name: 'flowspan-store', static_configs: [{ targets: [new URL(flowspan.storeUrl).host] }] },
    ],
    ruleFiles: [...files.keys()].map((name) => join(folder, name)),
  });
  const firing = async (range: string, time?: number): Promise<FiredAlert[]> => {
    const selector = `ALERTS{alertstate="firing",${SHOP}}`;
    const series = await prometheus.query(range === '' ? selector : `max_over_time(${selector}[${range}])`, time);
    return series.map(({ metric }) => ({
      alert: metric.alertname as string,
      source: metric.source_workload as string,
      destination: metric.destination_workload as string,
    }));
  };
  return {
    url: prometheus.url,
    firedBetween: async (sinceMs, untilMs) => {
      // What fires on from a fault before says nothing about this one.
      const before = (await firing('', sinceMs / 1000)).map(alertName);
      const fired = await firing(`${untilMs - sinceMs}ms`, untilMs / 1000);
      return fired.filter((one) => !before.includes(alertName(one)));
    },
    ownFiredBetween: async (sinceMs, untilMs) => {
      const fired = await prometheus.query(`max_over_time(${OWN}[${untilMs - sinceMs}ms])`, untilMs / 1000);
      return [...new Set(fired.map(({ metric }) => metric.alertname as string))];
    },
    calm: async (alerts) => {
      const names = alerts === undefined ? '.+' : [CORRELATED, ...alerts].join('|');
      const disturbed = [...DISTURBED, `ALERTS{alertname=~"${names}",alertstate="firing",${SHOP}}`].join(' or ');
      await prometheus.up();
      const left = await eventually(
        'the shop to become calm',
        async () => ((await prometheus.query(disturbed)).length === 0 ? ([] as Series[]) : undefined),
        CALM_TIMEOUT_MS,
      ).catch(() => prometheus.query(disturbed));
      if (left.length > 0) throw new Error(notCalm(left));
    },
    fires: async (alert, timeoutMs) => {
      const isIt = (one: FiredAlert): boolean => alertName(one) === alertName(alert);
      // Whether it did is judged later, by what fired in all the time.
      await eventually(alert.alert, async () => (await firing('')).some(isIt), timeoutMs).catch(() => undefined);
    },
    stop: prometheus.stop,
  };
}
