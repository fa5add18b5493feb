/** `flowspan observe`: flows, requests and events in the terminal. */
import { once } from 'node:events';
import { UsageError } from './filter_flags.ts';
import { type LiveFrame, ObserveClient, type ObservedRow } from './observe_client.ts';
import { type ObserveCommand, observeHelp, readObserveCommand } from './observe_flags.ts';
import { Formatter, incompleteness } from './observe_format.ts';

/** Exit codes, for scripts. */
export const EXIT = { shown: 0, failed: 1, usage: 2, nothing: 3 } as const;

/** Rows that are remembered so that none is shown twice where recorded and live rows meet. */
const REMEMBERED = 10_000;

/** Whether lines are coloured. */
export function wantsColour(
  colour: ObserveCommand['colour'],
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (colour !== 'auto') return colour === 'always';
  return isTerminal && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}

const keyOf = ({ type, row }: ObservedRow) =>
  `${type} ${row.flow_id ?? row.verdict_id} ${row.time} ${row.request_index ?? ''} ${row.event_kind ?? ''}`;

/** Writes lines; waits where the reader is slow, and ends when it has gone. */
class Output {
  shown = 0;
  /** Time of the first row; undefined before it. */
  first: string | undefined;
  #head: readonly string[];
  readonly #gone: () => void;

  /**
   * @param head lines before the first row
   * @param gone called when the reader has gone
   */
  constructor(head: readonly string[], gone: () => void) {
    this.#head = head;
    this.#gone = gone;
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#gone();
    });
  }

  /** Writes a row's line; a promise where the reader has to catch up first. */
  row(observed: ObservedRow, text: string): Promise<unknown> | undefined {
    this.shown += 1;
    this.first ??= String(observed.row.time);
    const lines = [...this.#head, text, ''].join('\n');
    this.#head = [];
    if (process.stdout.write(lines)) return undefined;
    return Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')]);
  }
}

/**
 * Runs the command.
 * @returns exit code: see EXIT
 */
export async function main(argv: string[]): Promise<number> {
  let command: ObserveCommand | undefined;
  try {
    command = readObserveCommand(argv, process.env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return EXIT.usage;
  }
  if (command === undefined) {
    process.stdout.write(observeHelp());
    return EXIT.shown;
  }
  return await observe(command);
}

async function observe(command: ObserveCommand): Promise<number> {
  const ended = new AbortController();
  const end = () => ended.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  const formatter = new Formatter(
    command.output,
    wantsColour(command.colour, process.stdout.isTTY === true, process.env),
  );
  const output = new Output(formatter.head(), end);
  const client = new ObserveClient(command, process.env);
  if (!command.follow) {
    await showRecorded(command, client, formatter, output, ended.signal, () => undefined);
    tellCompleteness(command, client, output.first);
    return output.shown > 0 ? EXIT.shown : EXIT.nothing;
  }
  await follow(command, client, formatter, output, ended.signal);
  return EXIT.shown;
}

/** Shows what has been recorded. */
async function showRecorded(
  command: ObserveCommand,
  client: ObserveClient,
  formatter: Formatter,
  output: Output,
  signal: AbortSignal,
  seen: (row: ObservedRow) => void,
): Promise<void> {
  const rows = command.last === undefined ? client.fromFirst() : await client.last(command.last);
  for await (const row of rows) {
    if (signal.aborted || output.shown === command.first) return;
    seen(row);
    await output.row(row, formatter.row(row));
  }
}

/** Shows what was recorded and then what happens; live rows wait until the recorded ones are shown. */
async function follow(
  command: ObserveCommand,
  client: ObserveClient,
  formatter: Formatter,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const known = new Set<string>();
  const waiting: LiveFrame[] = [];
  let live = false;
  const take = (frame: LiveFrame): Promise<unknown> | undefined => {
    if (!live) {
      if (waiting.length < REMEMBERED) waiting.push(frame);
      return undefined;
    }
    if ('row' in frame) return known.delete(keyOf(frame)) ? undefined : output.row(frame, formatter.row(frame));
    const note = formatter.note(frame);
    if (note !== undefined) (command.output === 'json' ? process.stdout : process.stderr).write(`${note}\n`);
    return undefined;
  };
  const following = client.follow(take, signal);
  const recorded = showRecorded(command, client, formatter, output, signal, (row) => {
    if (known.size < REMEMBERED) known.add(keyOf(row));
  });
  await Promise.race([recorded, following]);
  live = true;
  for (const frame of waiting.splice(0)) await take(frame);
  await following;
}

/** Says on standard error (JSON: as last record) what is missing. */
function tellCompleteness(command: ObserveCommand, client: ObserveClient, first: string | undefined): void {
  const said = new Set<string>();
  for (const [type, completeness] of client.completeness) {
    if (command.output === 'json') {
      process.stdout.write(`${JSON.stringify({ type: 'completeness', of: type, completeness })}\n`);
      continue;
    }
    // the newest rows are asked for, whatever was before them
    const from = command.last === undefined ? undefined : first;
    const note = incompleteness(completeness, from);
    if (note !== undefined && !said.has(note)) process.stderr.write(`${note}\n`);
    if (note !== undefined) said.add(note);
  }
}
