/** Shows a child's log line on a terminal. */

const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
const WARN = 40;

/**
 * One line for people from one line of a child.
 * @param line pino's JSON, or anything else, which is shown as it is
 * @param least `warn` leaves out pino lines below that level
 * @returns undefined for a line that is left out
 */
export function formatLine(name: string, line: string, least: 'info' | 'warn'): string | undefined {
  if (!line.startsWith('{')) return line;
  let record: { level?: number; msg?: string; code?: string; err?: { message?: string; code?: string } };
  try {
    record = JSON.parse(line);
  } catch {
    return line;
  }
  const level = record.level ?? 30;
  if (least === 'warn' && level < WARN) return undefined;
  const code = record.code ?? record.err?.code;
  const parts = [record.msg, record.err?.message].filter((part) => part !== undefined && part !== '');
  const text = [...new Set(parts)].join(': ');
  const shown = code === undefined || text.includes(code) ? text : `${code}: ${text}`;
  return `${name}: ${level === 30 ? '' : `${LEVELS[level] ?? level}: `}${shown}`;
}
