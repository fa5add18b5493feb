/** Answers of /v1 as explain() takes them, recorded from a real run: one JSON object a line, so that a row is a line. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Answers, Row, Sample } from '../../query-api/cli/explain/answers.ts';

const LISTS = [
  'edges',
  'requests',
  'slow',
  'slow_at_client',
  'events',
  'sent',
  'duplicates',
  'connections',
] as const satisfies readonly (keyof Answers)[];

interface Recording<More> {
  readonly more: More;
  readonly answers: Answers;
}

/** Writes a recording; `more` is whatever a test needs to know of it. */
export function writeRecording<More>(file: string, { more, answers }: Recording<More>): void {
  const { since, until, completeness, cut, samples } = answers;
  const lines: unknown[] = [{ more, since, until, completeness, cut }];
  for (const list of LISTS) for (const row of answers[list]) lines.push({ list, row });
  for (const [id, { requests, events, cut_before }] of Object.entries(samples)) {
    lines.push({ sample: id, cut_before });
    for (const row of requests) lines.push({ sample: id, of: 'requests', row });
    for (const row of events) lines.push({ sample: id, of: 'events', row });
  }
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
}

interface Line {
  readonly list?: (typeof LISTS)[number];
  readonly sample?: string;
  readonly of?: 'requests' | 'events';
  readonly cut_before?: string | null;
  readonly row: Row;
}

/** Reads a recording. */
export function readRecording<More>(file: string | URL): Recording<More> {
  const [head = '{}', ...rest] = readFileSync(file, 'utf8').trim().split('\n');
  const { more, ...about } = JSON.parse(head) as { more: More } & Pick<
    Answers,
    'since' | 'until' | 'completeness' | 'cut'
  >;
  const lists = Object.fromEntries(LISTS.map((list) => [list, [] as Row[]])) as Record<(typeof LISTS)[number], Row[]>;
  const samples: Record<string, Sample & { requests: Row[]; events: Row[] }> = {};
  for (const line of rest.map((text) => JSON.parse(text) as Line)) {
    if (line.list !== undefined) lists[line.list].push(line.row);
    else if (line.of !== undefined) samples[line.sample!]![line.of].push(line.row);
    else samples[line.sample!] = { requests: [], events: [], cut_before: line.cut_before ?? null };
  }
  return { more, answers: { ...about, ...lists, samples } };
}
