/** The start-up report as text: what is attached, what is not, why, and what will be missing. */
import type { Host } from './host.ts';
import type { ProgramStatus } from './load.ts';

/** Lines of aligned cells; a row may have fewer cells than the first. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows.map((row) => {
    const cells = row.map((cell, index) => cell.padEnd(widths[index] ?? 0));
    return cells.join('  ').trimEnd();
  });
}

function outcome(program: ProgramStatus): string {
  if (program.attached) return 'attached';
  return program.required ? 'REQUIRED, NOT ATTACHED' : 'not attached';
}

/** Plain text without colour, ending in a newline. */
export function formatReport(host: Host, programs: readonly ProgramStatus[]): string {
  const checks = host.checks.map(({ name, ok, found }) => [name, ok ? 'ok' : 'limited', found]);
  const rows = programs.map((program) => [program.name, program.kind, outcome(program), program.reason]);
  const losses = [
    ...host.checks.filter(({ ok }) => !ok).map(({ name, missing }) => [name, missing]),
    ...programs.filter(({ attached }) => !attached).map(({ name, missing }) => [name, missing]),
  ];
  return [
    ...align([['machine', 'state', 'found'], ...checks]),
    '',
    ...align([['program', 'kind', 'state', 'reason'], ...rows]),
    '',
    ...(losses.length === 0 ? ['Nothing will be missing.'] : align([['without', 'will be missing'], ...losses])),
    '',
  ].join('\n');
}
