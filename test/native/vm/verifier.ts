/**
 * How many instructions the verifier walks per program and kernel, against what is committed, and the table of it.
 * Growth is time at each start, and there is an end to it: a program of more than a million is refused.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelAtLeast } from '../../../collector/src/attach/host.ts';
import { PROGRAMS, SHARED_PROGRAMS } from '../../../collector/src/attach/programs.ts';
import type { ProgramReport, Report } from './report.ts';

const ROOT = join(import.meta.dirname, '../../..');
const BASELINE = join(import.meta.dirname, 'verifier_baseline.json');
const REPORTS = join(ROOT, 'build/kernels');
const TABLE = join(ROOT, 'build/kernels.md');
/** Most that a program may grow without anybody saying so. */
const GROWTH = 1.2;
const ACCEPT = process.env.FLOWSPAN_ACCEPT_VERIFIER === '1';

/** Instructions by program, by major and minor number of the kernel. */
export type Baseline = Record<string, Record<string, number>>;

/** Major and minor number of a release: what changes between patches of one series is little. */
export const seriesOf = (release: string): string => release.split(/[.-]/, 2).join('.');

const readBaseline = (): Baseline => JSON.parse(readFileSync(BASELINE, 'utf8')) as Baseline;

/**
 * What has grown by more than a fifth, or is new, in words; empty if nothing is, or the kernel has no baseline.
 * @param known what is committed
 */
export function growth({ kernel, programs }: Pick<Report, 'kernel' | 'programs'>, known: Baseline): string[] {
  const before = known[seriesOf(kernel)];
  if (before === undefined) return [];
  return programs.flatMap(({ name, verifiedInstructions: now }) => {
    if (now === 0) return [];
    const then = before[name];
    if (then === undefined) return [`${name}: ${now} instructions, nothing is committed for it`];
    return now > then * GROWTH
      ? [`${name}: ${then} -> ${now} instructions, +${Math.round((now / then - 1) * 100)} %`]
      : [];
  });
}

/** As `growth` against the committed baseline; with ACCEPT=1 the baseline is written anew instead. */
export function verifierGrowth(report: Report): string {
  if (ACCEPT) {
    accept(report);
    return '';
  }
  const grown = growth(report, readBaseline());
  if (grown.length === 0) return '';
  return [
    `FLOW_TEST_VERIFIER_GROWTH: on Linux ${report.kernel} the verifier walks more than the committed baseline allows`,
    ...grown,
    `If that is meant: make test-kernels ACCEPT=1, and commit ${BASELINE.slice(ROOT.length + 1)} with the reason.`,
  ].join('\n');
}

/** Whether there is something to compare a kernel with. */
export const hasBaseline = (release: string): boolean => readBaseline()[seriesOf(release)] !== undefined;

function accept({ kernel, programs }: Report): void {
  const walked = programs.filter(({ verifiedInstructions }) => verifiedInstructions > 0);
  const own = Object.fromEntries(walked.map(({ name, verifiedInstructions }) => [name, verifiedInstructions]));
  const all = { ...(existsSync(BASELINE) ? readBaseline() : {}), [seriesOf(kernel)]: own };
  const inOrder = Object.entries(all).sort(([a], [b]) => (kernelAtLeast(a, b) ? 1 : -1));
  writeWhole(BASELINE, `${JSON.stringify(Object.fromEntries(inOrder), null, 2)}\n`);
}

function cell(program: ProgramReport | undefined): string {
  if (program === undefined) return 'not known';
  const { attached, verifiedInstructions: walked, reason } = program;
  const loads = walked > 0 ? `loads, ${walked} instructions` : 'does not load';
  return attached ? `${loads}, attaches` : `${loads}: ${reason}`;
}

/** A table in Markdown: program by kernel, then what each kernel was seen to record. */
export function kernelTable(reports: readonly Report[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const kernels = reports.map(({ kernel }) => kernel);
  const told = [...new Set(reports.flatMap(({ records }) => Object.keys(records)))].sort();
  return [
    row(['program', 'from', ...kernels]),
    row(['---', '---', ...kernels.map(() => '---')]),
    ...[...PROGRAMS, ...SHARED_PROGRAMS].map(({ name, kernelFloor }) =>
      row([name, kernelFloor, ...reports.map(({ programs }) => cell(programs.find((one) => one.name === name)))]),
    ),
    '',
    row(['records of a smoke', ...kernels]),
    row(['---', ...kernels.map(() => '---')]),
    ...told.map((name) => row([name, ...reports.map(({ records }) => String(records[name] ?? 0))])),
    '',
  ].join('\n');
}

/** Files appear whole: the test of another kernel may read them now. */
function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

/** Keeps a report in build/kernels/, and writes build/kernels.md of all that are there. */
export function keepReport(report: Report): void {
  mkdirSync(REPORTS, { recursive: true });
  writeWhole(join(REPORTS, `${report.kernel}.json`), JSON.stringify(report));
  const files = readdirSync(REPORTS).filter((file) => file.endsWith('.json'));
  const reports = files.map((file) => JSON.parse(readFileSync(join(REPORTS, file), 'utf8')) as Report);
  writeWhole(TABLE, kernelTable(reports.sort((a, b) => (kernelAtLeast(a.kernel, b.kernel) ? 1 : -1))));
}
