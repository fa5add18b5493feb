/** All figures of a run as one table. */
import { type BenchResult, isMet } from './result.ts';

const HEADINGS = ['figure', 'measured', 'spread', 'goal', 'met', 'peer in the same run', 'physical limit'] as const;

function cells({ name, value, unit, goal, better, pairs, spread, peer, limit, ...rest }: BenchResult): string[] {
  const result = { name, value, unit, goal, better, pairs, spread, ...rest };
  return [
    name,
    `${value} ${unit}`,
    `${spread[0]} … ${spread[1]} (${pairs})`,
    `${better === 'higher' ? '≥' : '≤'} ${goal}`,
    isMet(result) ? 'yes' : 'no',
    peer === undefined ? '' : `${peer.name}: ${peer.value} ${peer.unit ?? unit}`,
    limit ?? '',
  ];
}

/** A Markdown table, columns aligned, one line per figure. */
export function tableOf(results: readonly BenchResult[]): string {
  const rows = [[...HEADINGS], ...results.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(rows[0] ?? []), rule, ...rows.slice(1).map(line)].join('\n');
}
