/** Prints what Flowspan says about one fault, in lines for people. */
import { edgeName } from '../../query-api/cli/explain/edge_facts.ts';
import type { Finding } from '../../query-api/cli/explain/finding.ts';
import type { FiredAlert } from './alerts.ts';
import type { Explanation, OpaqueEdge } from './ask.ts';

/** Examples that are printed of a cause that stands alone; of several each shows one. */
const EXAMPLES = 2;
/** Lines of numbers that are printed of each cause: the first ones tell most. */
const EVIDENCE_LINES = 2;
const LABEL = 10;
/** Characters of a line behind its label. */
const WIDTH = 105;

function labelled(label: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? label : '').padEnd(LABEL)}${line}`);
}

function evidenceText({ evidence, count, of }: Finding): string[] {
  const numbers = evidence
    .filter(({ value }) => value !== 0 && value !== count && value !== of)
    .map(({ name, value, unit }) => {
      if (unit === 'ratio') return `${name} ${(value * 100).toFixed(1)} %`;
      return `${name} ${Number.isInteger(value) ? value : value.toFixed(1)}${unit === 'ms' ? ' ms' : ''}`;
    });
  return wrapped(numbers).slice(0, EVIDENCE_LINES);
}

/** Words in lines, separated by commas. */
function wrapped(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const longer = `${lines.at(-1)}, ${word}`;
    if (lines.length > 0 && longer.length <= WIDTH) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** How many of how many; overflows are counted by packet, and a connection may send more than one. */
function countText({ count, of }: Finding): string {
  return count <= of ? `${count} of ${of}` : String(count);
}

function exampleLines({ examples }: Finding, count: number): string[] {
  return examples.slice(0, count).flatMap(({ id, text }) => [`  ${text}`, `    /v1/requests/${id}`]);
}

function causeLines(finding: Finding, examples: number): string[] {
  return [
    `${finding.cause} ${edgeName(finding.edge)}: ${countText(finding)}`,
    ...evidenceText(finding).map((line) => `  ${line}`),
    ...exampleLines(finding, examples),
  ];
}

/** A consequence in one line; with requests where the cause itself has none to show. */
function followingLines(finding: Finding, withExample: boolean): string[] {
  const line = `${finding.cause} ${edgeName(finding.edge)}: ${countText(finding)}`;
  return withExample ? [line, ...exampleLines(finding, 1)] : [line];
}

/** `7 connections of cart -> redis cannot be seen into` */
const opaqueText = ({ source, destination, connections }: OpaqueEdge): string =>
  `${connections} connections of ${source ?? 'unknown'} -> ${destination ?? 'unknown'} cannot be seen into`;

function answersText({ completeness, opaque }: Explanation): string {
  const { complete, watermark, lost, shed = [] } = completeness;
  const list = (missing: Explanation['completeness']['lost']) =>
    missing.map(({ kind, reason, count }) => `${count ?? 'some'} ${kind} (${reason})`).join(', ');
  return [
    complete ? 'complete' : 'not complete',
    lost.length === 0 ? 'nothing lost' : `lost: ${list(lost)}`,
    ...(shed.length === 0 ? [] : [`shed: ${list(shed)}`]),
    `stored up to ${watermark?.slice(11, 19)} UTC`,
    ...opaque.map(opaqueText),
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
  said: Explanation,
  fired: readonly FiredAlert[],
  wrong: readonly string[],
): string[] {
  const { findings } = said;
  const causes = findings.filter(({ follows_from }) => follows_from.length === 0);
  const following = findings.filter(({ follows_from }) => follows_from.length > 0);
  const examples = causes.length > 1 ? 1 : EXAMPLES;
  const unseen = causes.some(({ examples }) => examples.length === 0);
  return [
    title,
    ...labelled('cause', causes.length === 0 ? ['none'] : causes.flatMap((cause) => causeLines(cause, examples))),
    ...labelled(
      'follows',
      following.flatMap((finding) => followingLines(finding, unseen)),
    ),
    ...labelled('alerts', fired.length === 0 ? ['none'] : alertLines(fired)),
    ...labelled('answers', [answersText(said)]),
    ...labelled(wrong.length === 0 ? 'right' : 'WRONG', wrong.length === 0 ? ['as expected'] : wrong),
    '',
  ];
}
