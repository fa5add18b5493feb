/** The audit for people: a table by node, run and kind, and a sentence for each thing that does not close. */
import type { Completeness } from '../../src/completeness.ts';
import type { Fates } from '../../src/record_fates.ts';
import { incompleteness, printable } from '../observe_format.ts';
import type { JudgedNode, JudgedRun } from './judge.ts';

const COLUMNS = [
  'kind',
  'wanted',
  'left over',
  'stored',
  'aggregated',
  'shed',
  'discarded',
  'lost',
  'in flight',
  'difference',
];

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((total, one) => total + one, 0);

function cells(kind: string, fates: Fates): string[] {
  const { wanted, left_over, stored, aggregated, shed, discarded, lost, in_rings, held, waiting, difference } = fates;
  const inFlight = in_rings + held + waiting;
  const numbers = [wanted, left_over, stored, aggregated, shed, discarded, sum(lost), inFlight, difference];
  return [kind, ...numbers.map(String)];
}

/** What sums hide: reasons of what was lost, and where it is that is on its way. */
function detail(kind: string, { lost, in_rings, held, waiting }: Fates): string[] {
  const places = { 'in the rings': in_rings, held, 'in memory and spool': waiting };
  const listed = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return [
    ...(sum(lost) > 0 ? [`    ${kind} lost: ${listed(lost)}`] : []),
    ...(sum(places) > 0 ? [`    ${kind} in flight: ${listed(places)}`] : []),
  ];
}

const KNOWN: Readonly<Record<JudgedRun['state'], (run: JudgedRun) => string>> = {
  running: () => 'running, counted now',
  stopped: ({ reported }) => `stopped, last report of ${reported}`,
  killed: ({ reported }) => `killed after its report of ${reported}`,
  silent: ({ reported }) => `not asked, report of ${reported}`,
};

function runLines(run: JudgedRun): string[] {
  const rows = [COLUMNS, ...Object.entries(run.kinds).map(([kind, fates]) => cells(kind, fates))];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
  return [
    `  run since ${run.started}: ${KNOWN[run.state](run)}`,
    ...lines.map((line) => `    ${line}`),
    ...Object.entries(run.kinds).flatMap(([kind, fates]) => detail(kind, fates)),
  ];
}

/** One node. */
export function nodeLines(node: JudgedNode): string[] {
  const rows = Object.entries(node.rows).map(
    ([
      kind,
      {
        in_store,
        expected: [least, most],
      },
    ]) => {
      const expected = least === most ? String(least) : `${least} to ${most}`;
      return `${kind} ${in_store ?? 'not counted'} of ${expected}`;
    },
  );
  return [
    `node ${node.node}${node.cluster === '' ? '' : ` (cluster ${node.cluster})`}`,
    ...node.runs.flatMap(runLines),
    `  rows of all these runs in the store: ${rows.join(', ')}`,
    ...node.wrong.map((text) => `  DOES NOT CLOSE: ${text}`),
    ...node.unknown.map((text) => `  not known: ${text}`),
  ].map(printable);
}

/** How complete the window is: always something. */
export function completenessLine(completeness: Completeness): string {
  return printable(incompleteness(completeness) ?? 'nothing was lost, shed or unobserved in this time');
}
