/** The start-up report as text: what is attached, what is not, why, and what will be missing. */
import type { Host } from './host.ts';
import type { ProgramStatus } from './load.ts';

function column(cells: readonly string[]): number {
  return Math.max(...cells.map((cell) => cell.length));
}

/** Lines of aligned cells; the last cell of a row is not padded. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, index) => column(rows.map((row) => row[index] ?? '')));
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function outcome(program: ProgramStatus): string {
  if (program.attached) return 'attached';
  return program.required ? 'REQUIRED, NOT ATTACHED' : 'not attached';
}

/** Plain text without colour, ending in a newline. */
export function formatReport(host: Host, programs: readonly ProgramStatus[]): string {
  const checks = host.checks.map(({ name, ok, found }) => [name, ok ? 'ok' : 'limited', found]);
  const attached = programs.map((program) => [program.name, program.kind, outcome(program), program.reason]);
  const losses = [
    ...host.checks.filter(({ ok }) => !ok).map(({ name, missing }) => [name, missing]),
    ...programs.filter((program) => !program.attached).map(({ name, missing }) => [name, missing]),
  ];
  const missing = losses.length === 0 ? ['nothing is missing'] : ['will be missing:', ...align(losses)];
  return [...align([...checks]), '', ...align([...attached]), '', ...missing, ''].join('\n');
}
