/** Causes that requests tell of: errors, clients that give up, servers that read late or are slow in themselves. */
import { numberOf, type Row, timesOf, total } from './answers.ts';
import type { EdgeFacts } from './edge_facts.ts';
import type { Evidence } from './finding.ts';
import type { Suspicion } from './suspicion.ts';
import { ABORTS, ERRORS, SLOW } from './thresholds.ts';

const answered = (row: Row) => numberOf(row, 'http_status_code') !== 0;

/** Requests that the client closed or reset before an answer began. */
const isAbort = (row: Row) => row.outcome === 'no_response' && row.closed_by === 'client' && !answered(row);

/**
 * Requests that the server's application had read and then closed the connection on. A connection that closes while a
 * request is still on its way, as kept connections do when they have idled too long, is no error.
 */
const isBrokenOff = (row: Row) =>
  row.outcome === 'no_response' && row.closed_by === 'server' && numberOf(row, 'read') > 0;

/** Requests answered with 5xx, or read and not answered. */
export function serverError(facts: EdgeFacts): Suspicion | undefined {
  const errors = facts.requests.filter((row) => row.outcome === 'server_error');
  const broken = facts.requests.filter(isBrokenOff);
  const count = total(errors, 'count') + total(broken, 'read');
  const requests = total(facts.requests, 'count');
  if (count < ERRORS.count || count / requests < ERRORS.share) return undefined;
  const byStatus = Map.groupBy(errors, (row) => numberOf(row, 'http_status_code'));
  const evidence: Evidence[] = [
    { name: 'error_ratio', value: count / requests, unit: 'ratio' },
    ...[...byStatus].map(([status, rows]) => ({
      name: `http_${status}`,
      value: total(rows, 'count'),
      unit: 'requests',
    })),
    ...(broken.length === 0 ? [] : [{ name: 'closed_without_answer', value: total(broken, 'read'), unit: 'requests' }]),
    { name: 'requests', value: requests, unit: 'requests' },
  ];
  const times = timesOf([...errors, ...broken]);
  return { cause: 'server_error', count, of: requests, share: count / requests, ...times, evidence };
}

/** Requests that the client gave up. */
export function clientAbort(facts: EdgeFacts): Suspicion | undefined {
  const aborts = facts.requests.filter(isAbort);
  const count = total(aborts, 'count');
  const requests = total(facts.requests, 'count');
  if (count < ABORTS.count || count / requests < ABORTS.share) return undefined;
  const byCause = Map.groupBy(aborts, (row) => String(row.close_cause));
  const waited = aborts.reduce((sum, row) => sum + numberOf(row, 'avg_duration_ns') * numberOf(row, 'count'), 0);
  const evidence: Evidence[] = [
    { name: 'aborted', value: count, unit: 'requests' },
    ...[...byCause].map(([cause, rows]) => ({ name: `by_${cause}`, value: total(rows, 'count'), unit: 'requests' })),
    { name: 'given_up_after_mean', value: waited / count / 1e6, unit: 'ms' },
    { name: 'requests', value: requests, unit: 'requests' },
  ];
  return { cause: 'client_abort', count, of: requests, share: count / requests, ...timesOf(aborts), evidence };
}

/** Where slow requests wait, by the phase that takes more than half of each one's time. */
function slowness(facts: EdgeFacts, overflowed: boolean) {
  const { slow } = facts;
  // who waits to be accepted waits for the accept queue, and that is told of on its own
  const atAccept = overflowed ? total(slow, 'mostly_queue_first') : 0;
  const queue = total(slow, 'mostly_queue') - atAccept;
  const application = total(slow, 'mostly_application');
  const server = total(slow, 'mostly_receive') + total(slow, 'mostly_send');
  const onTheWay = Math.max(0, total(facts.slow_at_client, 'count') - total(slow, 'count'));
  const all = Math.max(total(slow, 'count'), total(facts.slow_at_client, 'count'));
  return { queue, application, network: server + onTheWay, all, requests: total(facts.requests, 'count') };
}

function slowCause(facts: EdgeFacts, overflowed: boolean, cause: 'reads_late' | 'slow_application') {
  const { queue, application, network, all, requests } = slowness(facts, overflowed);
  const phase = cause === 'reads_late' ? 'queue' : 'application';
  const count = phase === 'queue' ? queue : application;
  if (count < SLOW.count || count / requests < SLOW.share) return undefined;
  const mean = total(facts.slow, `sum_${phase}_ns`) / total(facts.slow, 'count') / 1e6;
  const evidence: Evidence[] = [
    { name: 'slow_requests', value: all, unit: 'requests' },
    { name: 'waiting_in_receive_queue', value: queue / all, unit: 'ratio' },
    { name: 'waiting_for_application', value: application / all, unit: 'ratio' },
    { name: 'waiting_for_network', value: network / all, unit: 'ratio' },
    { name: phase === 'queue' ? 'in_receive_queue_mean' : 'in_application_mean', value: mean, unit: 'ms' },
    { name: 'requests', value: requests, unit: 'requests' },
  ];
  const rows = facts.slow.filter((row) => numberOf(row, `mostly_${phase}`) > 0);
  return { cause, count, of: requests, share: count / requests, ...timesOf(rows), evidence } satisfies Suspicion;
}

/** Requests that lay in the receive queue for most of their time. */
export function readsLate(facts: EdgeFacts, overflowed: boolean): Suspicion | undefined {
  return slowCause(facts, overflowed, 'reads_late');
}

/** Requests that the application took most of their time for. */
export function slowApplication(facts: EdgeFacts, overflowed: boolean): Suspicion | undefined {
  return slowCause(facts, overflowed, 'slow_application');
}
