/** Compares what Flowspan says with what was done. */
import { edgeName } from '../../query-api/cli/explain/edge_facts.ts';
import type { Finding } from '../../query-api/cli/explain/finding.ts';
import { alertName, CORRELATED, type FiredAlert } from './alerts.ts';
import type { Explanation, RequestView, Shown } from './ask.ts';
import type { ExpectedCause, Fault } from './faults.ts';

/** What a request took at least to be called late or slow, ns. */
const SLOW_NS = 200e6;

/** The edge of the shop that carries something else than HTTP: Flowspan must say so of it, and of no other. */
const OPAQUE = 'cart -> redis';

const number = (view: RequestView | null, name: string): number => Number(view?.[name] ?? 0);

/** Causes that show in requests, and how the kernel's own evidence of a request tells of each. */
const EVIDENT: Readonly<Partial<Record<Finding['cause'], (shown: Shown) => boolean>>> = {
  packet_loss: ({ views }) =>
    number(views.client, 'retransmitted_segments') + number(views.server, 'retransmitted_segments') > 0,
  server_error: ({ request }) => number(request, 'http_status_code') >= 500,
  reads_late: ({ views: { server } }) =>
    number(server, 'application_read_ns') - number(server, 'request_sent_ns') >= SLOW_NS / 2,
  slow_application: ({ views: { server } }) =>
    number(server, 'response_start_ns') - number(server, 'application_read_ns') >= SLOW_NS,
  client_abort: ({ request }) => request.outcome === 'no_response' && request.closed_by === 'client',
};

function isExpected({ cause, edge }: Finding, expected: ExpectedCause): boolean {
  return (
    cause === expected.cause &&
    edge.source.workload === expected.source &&
    edge.destination.workload === expected.destination
  );
}

/** Whether a finding follows, over any number of steps, from one of those that were meant to be found. */
function leadsTo(finding: Finding, meant: readonly Finding[], all: readonly Finding[], steps = 8): boolean {
  if (steps === 0) return false;
  return finding.follows_from.some((id) => {
    const before = all.find((one) => one.id === id);
    return before !== undefined && (meant.includes(before) || leadsTo(before, meant, all, steps - 1));
  });
}

/** What is wrong with the examples of a finding that was meant to be found. */
function wrongExamples(finding: Finding, { findings, shown }: Explanation): string[] {
  const { id, cause, edge, examples } = finding;
  const evident = EVIDENT[cause];
  if (evident === undefined) {
    // It happened before there was a request: those that suffered from it are further up.
    const suffering = findings.filter((one) => leadsTo(one, [finding], findings));
    return suffering.some((one) => one.examples.length > 0) ? [] : [`${id}: expected requests that suffer from it`];
  }
  if (examples.length === 0) return [`${id}: expected requests that show it, and there is none`];
  return examples.flatMap((example) => {
    const one = shown.get(example.id);
    if (one === undefined) return [`${id}: request ${example.id} is not there`];
    const { source_workload, destination_workload } = one.request;
    if (source_workload !== edge.source.workload || destination_workload !== edge.destination.workload) {
      return [`${id}: request ${example.id} is one of ${source_workload} -> ${destination_workload}`];
    }
    return evident(one) ? [] : [`${id}: nothing in request ${example.id} shows it`];
  });
}

/**
 * Alerts that are missing or must not be. On an edge of what was meant to be found, or of what follows from it, others
 * than the expected may fire; that errors and loss come together may be said of no edge but the expected.
 */
function wrongAlerts(fault: Fault | undefined, explained: readonly Finding[], fired: readonly FiredAlert[]): string[] {
  const expected = (fault?.alerts ?? []).map(alertName);
  const edges = explained.map(({ edge }) => `${edge.source.workload} -> ${edge.destination.workload}`);
  const isExplained = ({ alert, source, destination }: FiredAlert): boolean =>
    alert !== CORRELATED && edges.includes(`${source} -> ${destination}`);
  const surplus = fired.filter((one) => !isExplained(one)).map(alertName);
  return [
    ...expected.filter((name) => !fired.map(alertName).includes(name)).map((name) => `expected alert ${name}`),
    ...surplus.filter((name) => !expected.includes(name)).map((name) => `alert not expected: ${name}`),
  ];
}

function wrongCompleteness({ completeness }: Explanation, mayLose: readonly string[]): string[] {
  const { complete, watermark, lost, shed = [], unobserved, sampled, expired_before } = completeness;
  const accepted = lost.filter(({ reason }) => mayLose.includes(reason));
  const reasons = [
    ...lost
      .filter((one) => !accepted.includes(one))
      .map(({ kind, reason, count }) => `expected nothing to be lost: ${kind} ${reason} ${count}`),
    ...shed.map(({ kind, reason, count }) => `expected no detail to be shed: ${kind} ${reason} ${count}`),
    ...(unobserved.length > 0 ? [`expected no time without a watcher: ${JSON.stringify(unobserved)}`] : []),
    ...(sampled ? ['expected every row to stand for itself'] : []),
  ];
  // The answers were asked for when everything was stored.
  if (complete || accepted.length > 0 || reasons.length > 0) return reasons;
  return [`expected complete answers: stored up to ${watermark}, expired before ${expired_before}`];
}

function wrongOpaque({ opaque }: Explanation): string[] {
  const edges = opaque.map(({ source, destination }) => `${source ?? 'unknown'} -> ${destination ?? 'unknown'}`);
  if (edges.join() === OPAQUE) return [];
  return [`expected connections that cannot be seen into of ${OPAQUE} alone: ${edges.join(', ') || 'there are none'}`];
}

/**
 * Everything that is not as it should be, each with what was expected; empty if all is right.
 * @param fault undefined: nothing was broken, and nothing may be found or fire
 * @param own names of the alerts that Flowspan raised about itself: there may be none, for no fault is one of Flowspan
 */
export function complaints(
  fault: Fault | undefined,
  said: Explanation,
  fired: readonly FiredAlert[],
  own: readonly string[],
): string[] {
  const { findings } = said;
  const causes = fault?.causes ?? [];
  const meant = findings.filter((finding) => causes.some((cause) => isExpected(finding, cause)));
  const missing = causes.filter((cause) => !meant.some((finding) => isExpected(finding, cause)));
  const explained = findings.filter((finding) => meant.includes(finding) || leadsTo(finding, meant, findings));
  const surplus = findings.filter((finding) => !explained.includes(finding));
  const explainedAway = meant.filter(({ follows_from }) => follows_from.length > 0);
  return [
    ...missing.map(({ cause, source, destination }) => `expected ${cause} ${source} -> ${destination}: not found`),
    ...surplus.map(({ cause, edge, count, of }) => `not expected: ${cause} ${edgeName(edge)}, ${count} of ${of}`),
    ...explainedAway.map(({ id, follows_from }) => `${id} is the cause, and yet said to follow from ${follows_from}`),
    ...meant.flatMap((finding) => wrongExamples(finding, said)),
    ...wrongAlerts(fault, explained, fired),
    ...own.map((name) => `alert not expected: ${name}, about Flowspan itself`),
    ...wrongCompleteness(said, fault?.mayLose ?? []),
    ...wrongOpaque(said),
  ];
}
