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

/** Segments sent again, relative to segments sent: told with who sent them and why. */
export function packetLoss(facts: EdgeFacts): Suspicion | undefined {
  const losses = lossesOf(facts);
  const events = total(losses, 'count');
  const again = total(losses, 'sum_segments');
  const segments = total(facts.totals, 'segments');
  if (events < LOSS.count || segments === 0 || again / segments < LOSS.share) return undefined;
  // Nothing ever got through: nobody is there, or a rule forbids it. That is no loss.
  if (total(facts.totals, 'connections_opened') === 0 && losses.every((row) => row.retransmit_cause === 'syn')) {
    return undefined;
  }
  const ratio = Math.min(1, again / segments);
  const requests = total(facts.requests, 'count');
  const slow = total(facts.slow_at_client, 'count');
  const evidence: Evidence[] = [
    { name: 'retransmit_ratio', value: ratio, unit: 'ratio' },
    { name: 'retransmitted_segments', value: again, unit: 'segments' },
    { name: 'segments', value: segments, unit: 'segments' },
    ...losses.map((row) => ({
      name: `${row.retransmit_cause}_by_${row.sent_by}`,
      value: numberOf(row, 'sum_segments'),
      unit: 'segments',
    })),
    ...(requests === 0 ? [] : [{ name: 'slow_at_client', value: slow, unit: 'requests' }]),
  ];
  const share = Math.max(ratio, requests === 0 ? 0 : Math.min(1, slow / requests));
  return { cause: 'packet_loss', count: again, of: segments, share, ...timesOf(losses), evidence };
}

/** Connects that were answered with a reset. */
export function connectionRefused(facts: EdgeFacts): Suspicion | undefined {
  const refusals = ofKind(facts.events, 'connect_failed').filter(
    (row) => numberOf(row, 'error_number') === ECONNREFUSED,
  );
  const refused = total(refusals, 'count');
  const opened = total(facts.totals, 'connections_opened');
  const connects = refused + opened;
  if (refused < REFUSED.count || refused / connects < REFUSED.share) return undefined;
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
  return { cause: 'accept_queue_overflow', count: packets, of: opened, share, ...timesOf(overflows), evidence };
}
