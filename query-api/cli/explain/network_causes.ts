/** Causes that lie between the two applications: lost packets, refused connects, full accept queues. */
import { numberOf, type Row, textOf, timesOf, total } from './answers.ts';
import type { EdgeFacts } from './edge_facts.ts';
import type { Evidence } from './finding.ts';
import type { Suspicion } from './suspicion.ts';
import { LOSS, OVERFLOWS, REFUSED } from './thresholds.ts';

const ECONNREFUSED = 111;

const ofKind = (rows: readonly Row[], kind: string) => rows.filter((row) => row.event_kind === kind);
const connectionOf = (row: Row) => `${textOf(row, 'source_address')} ${textOf(row, 'source_port')}`;
const reasonOf = (row: Row) => `${row.retransmit_cause} ${row.sent_by}`;

/** Retransmits that are not owed to a full accept queue, which throws away what arrives. */
function lossesOf(facts: EdgeFacts): Row[] {
  const overflowed = new Set(ofKind(facts.connections, 'accept_overflow').map(connectionOf));
  const owed = Map.groupBy(
    ofKind(facts.connections, 'retransmit').filter((row) => overflowed.has(connectionOf(row))),
    reasonOf,
  );
  const byReason = Map.groupBy(ofKind(facts.events, 'retransmit'), reasonOf);
  return [...byReason].flatMap(([reason, rows]) => {
    const explained = owed.get(reason) ?? [];
    const count = total(rows, 'count') - total(explained, 'count');
    const segments = total(rows, 'sum_segments') - total(explained, 'sum_segments');
    const { since, last } = timesOf(rows);
    const [first] = rows;
    if (count <= 0 || segments <= 0 || first === undefined) return [];
    return [{ ...first, count, sum_segments: segments, first_time: since, last_time: last }];
  });
}

/** What one end sent again, without what turned out to have arrived. */
function lossOf(facts: EdgeFacts, losses: readonly Row[], side: 'client' | 'server') {
  const own = losses.filter((row) => row.sent_by === side);
  const needless = facts.duplicates.filter((row) => row.sent_by === side);
  const sent = total(
    facts.sent.filter((row) => row.observation_point === side),
    'sum_data_segments_sent',
  );
  // handshakes carry no payload; and a long connection's segments are told only once per interval, its requests at once
  const opened = side === 'client' ? total(facts.totals, 'connections_opened') : 0;
  const least = total(facts.requests, 'count');
  return {
    rows: own,
    events: total(own, 'count') - total(needless, 'count'),
    again: total(own, 'sum_segments') - total(needless, 'sum_segments'),
    needless: total(needless, 'sum_segments'),
    sent: Math.max(sent, least) + opened,
  };
}

/**
 * Segments sent again relative to segments with payload sent, by each end for itself: told with who sent them and why.
 * A segment of which the other end had everything already was not lost, only late: its retransmission does not count.
 */
export function packetLoss(facts: EdgeFacts): Suspicion | undefined {
  const losses = lossesOf(facts);
  const sides = (['client', 'server'] as const)
    .map((side) => ({ side, ...lossOf(facts, losses, side) }))
    .filter(({ events, again, sent }) => events >= LOSS.count && sent > 0 && again / sent >= LOSS.share);
  if (sides.length === 0) return undefined;
  // Nothing ever got through: nobody is there, or a rule forbids it. That is no loss.
  if (total(facts.totals, 'connections_opened') === 0 && losses.every((row) => row.retransmit_cause === 'syn')) {
    return undefined;
  }
  const rows = sides.flatMap((one) => one.rows);
  const again = sides.reduce((sum, one) => sum + one.again, 0);
  const sent = sides.reduce((sum, one) => sum + one.sent, 0);
  const requests = total(facts.requests, 'count');
  const slow = total(facts.slow_at_client, 'count');
  const evidence: Evidence[] = [
    ...sides.flatMap((one): Evidence[] => [
      { name: `retransmit_ratio_by_${one.side}`, value: Math.min(1, one.again / one.sent), unit: 'ratio' },
      { name: `data_segments_sent_by_${one.side}`, value: one.sent, unit: 'segments' },
      ...one.rows.map((row) => ({
        name: `${row.retransmit_cause === 'none' ? 'cause_unknown' : row.retransmit_cause}_by_${one.side}`,
        value: numberOf(row, 'sum_segments'),
        unit: 'segments',
      })),
      ...(one.needless > 0 ? [{ name: `needless_by_${one.side}`, value: one.needless, unit: 'segments' }] : []),
    ]),
    ...(requests === 0 ? [] : [{ name: 'slow_at_client', value: slow, unit: 'requests' }]),
  ];
  const ratio = Math.min(1, again / sent);
  const share = Math.max(ratio, requests === 0 ? 0 : Math.min(1, slow / requests));
  return { cause: 'packet_loss', count: again, of: sent, share, ...timesOf(rows), evidence };
}

const isLoopback = (row: Row) => /^(127\.|::1$)/.test(textOf(row, 'destination_address') ?? '');

/**
 * Connects that were answered with a reset.
 * @param edges rows of /v1/edges: a client that tries localhost by one IP version and then by the other is refused once
 *   for each connection that it gets, and nothing is wrong
 */
export function connectionRefused(facts: EdgeFacts, edges: readonly Row[]): Suspicion | undefined {
  const { source, destination_port } = facts.edge;
  const refusals = ofKind(facts.events, 'connect_failed').filter(
    (row) => numberOf(row, 'error_number') === ECONNREFUSED,
  );
  const refused = total(refusals, 'count');
  const opened = total(facts.totals, 'connections_opened');
  const connects = refused + opened;
  if (refused < REFUSED.count || refused / connects < REFUSED.share) return undefined;
  const onPort = edges.filter(
    (row) =>
      textOf(row, 'source_endpoint_id') === source.endpoint_id &&
      numberOf(row, 'destination_port') === destination_port,
  );
  if (refusals.every(isLoopback) && total(onPort, 'connections_opened') >= refused) return undefined;
  const evidence: Evidence[] = [
    { name: 'connects_refused', value: refused, unit: 'connections' },
    { name: 'connections_opened', value: opened, unit: 'connections' },
  ];
  const share = refused / connects;
  return { cause: 'connection_refused', count: refused, of: connects, share, ...timesOf(refusals), evidence };
}

/** Packets of handshakes that met a full accept queue at the server. */
export function acceptQueueOverflow(facts: EdgeFacts): Suspicion | undefined {
  const overflows = ofKind(facts.events, 'accept_overflow');
  const packets = total(overflows, 'count');
  if (packets < OVERFLOWS.count) return undefined;
  const connections = new Set(ofKind(facts.connections, 'accept_overflow').map(connectionOf)).size;
  const opened = Math.max(connections, total(facts.totals, 'connections_opened'));
  const evidence: Evidence[] = [
    { name: 'accept_queue_overflows', value: packets, unit: 'packets' },
    { name: 'connections_that_met_it', value: connections, unit: 'connections' },
    { name: 'connections_opened', value: opened, unit: 'connections' },
  ];
  const share = opened === 0 ? 1 : connections / opened;
  const count = Math.max(1, connections);
  return { cause: 'accept_queue_overflow', count, of: Math.max(count, opened), share, ...timesOf(overflows), evidence };
}
