/** What `flowspan lb explain` prints. */
import type { Condition } from '../../../collector/src/control/objects/source.ts';
import type { PoolExplanation, WithoutBackends } from '../../../collector/src/control/services/explain.ts';

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const ratio = (value: number): string => value.toFixed(3);

const BASIS = {
  ready: 'ready',
  terminating: 'ending, since none is ready',
  none: 'nobody',
} as const;

const REFUSAL = {
  '': '',
  no_backend: 'Clients are refused at once (ECONNREFUSED): no endpoint is ready, and none that ends still serves.',
  no_local_backend: 'Clients are refused at once (ECONNREFUSED): this node has no backend; other nodes have.',
} as const;

function withoutText(
  { lost, remaining, moved_slots, maglev_lost, maglev_moved }: WithoutBackends,
  of: number,
): string[] {
  if (lost.length === 0) return ['  that backend is no candidate here: nothing would move'];
  const moves = moved_slots.map(({ slot, from, to }) => `    slot ${slot}: ${from} -> ${to}`);
  return [
    `  without ${lost.join(', ')}: ${remaining} of ${of} remain`,
    remaining === 0
      ? '    new connections are refused; those that are open stay'
      : `    open connections stay; ${moved_slots.length} of ${remaining} slots change hands`,
    ...moves,
    `    Maglev: ${percent(maglev_lost)} of the entries must move, ${percent(maglev_moved)} move besides`,
  ];
}

function poolText(pool: PoolExplanation): string[] {
  const { table, candidates } = pool;
  const width = table.reduce((most, { backend }) => Math.max(most, backend.length), 'backend'.length);
  const rows = table.map(
    ({ backend, slots, share, maglev_entries }) =>
      `    ${slots.join(',').padEnd(6)}${backend.padEnd(width + 2)}${percent(share).padStart(7)}${String(maglev_entries).padStart(9)}`,
  );
  const head = `    ${'slot'.padEnd(6)}${'backend'.padEnd(width + 2)}${'share'.padStart(7)}${'Maglev'.padStart(9)}`;
  return [
    pool.pool,
    `  dialled at   ${pool.frontends.length === 0 ? 'nothing' : pool.frontends.join('; ')}`,
    `  candidates   ${candidates} of ${pool.endpoints} endpoints (${BASIS[pool.basis]}); traffic policy ${pool.traffic_policy}`,
    `  affinity     ${pool.affinity_seconds === 0 ? 'none' : `by client, ${pool.affinity_seconds} s`}`,
    ...(pool.refusal === '' ? [head, ...rows] : [`  ${REFUSAL[pool.refusal]}`]),
    ...(candidates === 0
      ? []
      : [
          `  balance      fullest over mean: ${ratio(pool.slots_balance)} by slots, ` +
            `${ratio(pool.maglev_balance)} in a Maglev table of ${pool.maglev_size}`,
        ]),
    ...(pool.without === undefined ? [] : withoutText(pool.without, candidates)),
    '',
  ];
}

/** Plain text, ending in a newline. */
export function lbText(pools: readonly PoolExplanation[], conditions: readonly Condition[]): string {
  const told = conditions.filter(({ message }) => message !== '');
  const lines = told.map(
    ({ kind, namespace, name, accepted, reason, message }) =>
      `${kind} ${namespace}/${name}: ${accepted ? '' : 'REFUSED '}${reason}. ${message}`,
  );
  return [...pools.flatMap(poolText), ...lines, ...(lines.length > 0 ? [''] : [])].join('\n');
}
