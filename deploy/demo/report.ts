/** Prints what Flowspan says about one fault, in lines for people. */
import { edgeName } from '../../query-api/cli/explain/edge_facts.ts';
import type { Finding } from '../../query-api/cli/explain/finding.ts';
import type { Completeness } from '../../query-api/src/completeness.ts';
import type { FiredAlert } from './alerts.ts';
import type { Explanation } from './ask.ts';

/** Examples that are printed of each finding. */
const EXAMPLES = 2;
const LABEL = 10;

function labelled(label: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? label : '').padEnd(LABEL)}${line}`);
}

function evidenceText({ evidence }: Finding): string {
  return evidence
    .map(({ name, value, unit }) => {
      if (unit === 'ratio') return `${name} ${(value * 100).toFixed(1)} %`;
      return `${name} ${Number.isInteger(value) ? value : value.toFixed(1)}${unit === 'ms' ? ' ms' : ''}`;
    })
    .join(', ');
}

function findingLines(finding: Finding): string[] {
  const examples = finding.examples
    .slice(0, EXAMPLES)
    .flatMap(({ id, text }) => [`  ${text}`, `    /v1/requests/${id}`]);
  return [
    `${finding.cause} ${edgeName(finding.edge)}: ${finding.count} of ${finding.of}`,
    `  ${evidenceText(finding)}`,
    ...examples,
  ];
}

function completenessText({ complete, watermark, lost, opaque_connections }: Completeness): string {
  const losses = lost.map(({ kind, reason, count }) => `${count ?? 'some'} ${kind} (${reason})`).join(', ');
  const opaque = Number(opaque_connections?.other ?? 0);
  return [
    complete ? 'complete' : 'not complete',
    lost.length === 0 ? 'nothing lost' : `lost: ${losses}`,
    `stored up to ${watermark?.slice(11, 19)} UTC`,
    ...(opaque > 0 ? [`${opaque} connections are not HTTP (cart -> redis)`] : []),
  ].join('; ');
}

/** Edges by alert, `FlowspanServerErrors gateway -> checkout, checkout -> payments`. */
function alertLines(fired: readonly FiredAlert[]): string[] {
  const names = [...new Set(fired.map(({ alert }) => alert))].toSorted();
  return names.map((name) => {
    const edges = fired.filter(({ alert }) => alert === name);
    return `${name}: ${edges.map(({ source, destination }) => `${source} -> ${destination}`).join(', ')}`;
  });
}

/** The lines about one fault. @param wrong complaints; empty if all is right */
export function reportLines(
  title: string,
  { findings, completeness }: Explanation,
  fired: readonly FiredAlert[],
  wrong: readonly string[],
): string[] {
  const causes = findings.filter(({ follows_from }) => follows_from.length === 0);
  const following = findings.filter(({ follows_from }) => follows_from.length > 0);
  return [
    title,
    ...labelled('cause', causes.length === 0 ? ['none'] : causes.flatMap(findingLines)),
    ...labelled(
      'follows',
      following.map(({ cause, edge, count, of }) => `${cause} ${edgeName(edge)}: ${count} of ${of}`),
    ),
    ...labelled('alerts', fired.length === 0 ? ['none'] : alertLines(fired)),
    ...labelled('answers', [completenessText(completeness)]),
    ...labelled(wrong.length === 0 ? 'right' : 'WRONG', wrong.length === 0 ? ['as expected'] : wrong),
    '',
  ];
}
