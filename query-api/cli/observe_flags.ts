/** Flags of `flowspan observe`, with hubble's names, as questions to the query API. */
import { parseArgs } from 'node:util';
import { LIVE_TYPES, type LiveType } from '../src/live/question.ts';
import { wallClock } from '../src/time.ts';
import { DEFAULT_SERVER, FILTERS, filterHelp, fixedTime, oneOf, readFilters, UsageError } from './filter_flags.ts';

const OUTPUTS = ['compact', 'json', 'table'] as const;
/** How rows are shown. */
export type Output = (typeof OUTPUTS)[number];

/** What is asked on the command line. */
export interface ObserveCommand {
  /** URL of the query API. */
  readonly server: string;
  /** Parameters of the query API by kind of row; kinds that are not there are not asked for. */
  readonly parameters: ReadonlyMap<LiveType, URLSearchParams>;
  /** Time asked for, as the query API takes it; the same for every kind of row. */
  readonly since: string | undefined;
  readonly until: string | undefined;
  /** Rows to show of what has been recorded: the newest, or the oldest; undefined for all. */
  readonly last: number | undefined;
  readonly first: number | undefined;
  readonly follow: boolean;
  readonly output: Output;
  readonly colour: 'auto' | 'always' | 'never';
}

/** Rows that are shown when nothing says how many. */
const DEFAULT_LAST = 20;
/** What `flowspan observe --help` prints. */
export function observeHelp(): string {
  return [
    'Usage: flowspan observe [flags]',
    '',
    'Shows flows, requests, TCP events and what policies said: the last 20, those of a time, or live.',
    '',
    'Which (a flag that is given twice means either; --not before a flag excludes):',
    ...filterHelp(Object.keys(FILTERS)),
    '  -t, --type         kinds of rows, separated by commas: flow, request, event, verdict; all but verdict if absent',
    '',
    'When:',
    '  --since, --until   RFC 3339, Unix time, or how long ago (15m)',
    '  --last N           the newest N (default 20 without --since)',
    '  --first N          the oldest N of the time',
    '  -f, --follow       go on with what happens now',
    '',
    'How:',
    '  -o, --output       compact (default), json (one object a line) or table',
    '  --color            auto (default: on a terminal, unless NO_COLOR is set), always or never',
    `  --server URL       the query API (default ${DEFAULT_SERVER}, or FLOWSPAN_SERVER); a token is taken from`,
    '                     FLOWSPAN_QUERY_API_TOKEN',
    '',
    'Exit codes: 0 something was shown, 1 it failed, 2 wrong usage, 3 nothing matched.',
    '',
  ].join('\n');
}

const OPTIONS = {
  ...Object.fromEntries(Object.keys(FILTERS).map((name) => [name, { type: 'string', multiple: true }] as const)),
  not: { type: 'boolean', multiple: true },
  type: { type: 'string', short: 't', multiple: true },
  since: { type: 'string' },
  until: { type: 'string' },
  last: { type: 'string' },
  first: { type: 'string' },
  follow: { type: 'boolean', short: 'f' },
  output: { type: 'string', short: 'o' },
  color: { type: 'string' },
  server: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = Partial<Record<'since' | 'until' | 'last' | 'first' | 'output' | 'color' | 'server', string>> & {
  type?: string[];
  follow?: boolean;
  help?: boolean;
};

const TYPE_WORDS: Readonly<Record<string, LiveType>> = {
  flow: 'flow',
  flows: 'flow',
  request: 'request',
  requests: 'request',
  l7: 'request',
  event: 'tcp_event',
  events: 'tcp_event',
  'tcp-event': 'tcp_event',
  tcp_event: 'tcp_event',
  verdict: 'verdict',
  verdicts: 'verdict',
  // hubble's name
  'policy-verdict': 'verdict',
};

/** Kinds of rows if none is named: what policies said is told beside each flow that it is about. */
const DEFAULT_TYPES: readonly LiveType[] = ['flow', 'request', 'tcp_event'];

function typesOf(words: readonly string[] | undefined): LiveType[] {
  if (words === undefined) return [...DEFAULT_TYPES];
  return words
    .flatMap((word) => word.split(','))
    .map((word) => {
      const type = TYPE_WORDS[word];
      if (type === undefined) throw new UsageError(`--type: '${word}' is not one of flow, request, event, verdict`);
      return type;
    });
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--${name}: '${text}' is not a number from 1 to 9999999`);
  return Number(text);
}

interface Parsed {
  readonly values: Values;
  readonly filters: URLSearchParams;
  readonly onlyRequests: boolean;
}

function parse(argv: readonly string[]): Parsed {
  let found: ReturnType<typeof parseTokens>;
  try {
    found = parseTokens(argv);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'flowspan observe --help' lists the flags`);
  }
  const { filters, onlyRequests } = readFilters(found.tokens);
  return { values: found.values as Values, filters, onlyRequests };
}

const parseTokens = (argv: readonly string[]) =>
  parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false, tokens: true });

/**
 * Reads a command line; undefined if help is asked for.
 * @throws UsageError
 */
export function readObserveCommand(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ObserveCommand | undefined {
  const { values, filters, onlyRequests } = parse(argv);
  if (values.help) return undefined;
  const types = typesOf(values.type).filter((type) => !onlyRequests || type === 'request');
  const names = [...new Set(filters.keys())];
  const able = types.filter((type) => names.every((name) => LIVE_TYPES[type].filters.has(name)));
  if (able.length === 0) {
    throw new UsageError(`no kind of row (${types.join(', ') || 'request'}) has all of ${names.join(', ')}`);
  }
  const first = numberOf('first', values.first);
  const last = numberOf('last', values.last);
  if (first !== undefined && last !== undefined) throw new UsageError('--first and --last exclude each other');
  const follow = values.follow === true;
  if (follow && (first !== undefined || values.until !== undefined)) {
    throw new UsageError('--follow goes on for ever: it takes no --first and no --until');
  }
  const now = wallClock();
  const nothingSaid = last === undefined && first === undefined && values.since === undefined;
  return {
    server: (values.server ?? env.FLOWSPAN_SERVER ?? DEFAULT_SERVER).replace(/\/$/, ''),
    parameters: new Map(able.map((type) => [type, new URLSearchParams(filters)])),
    since: fixedTime(values.since, now),
    until: fixedTime(values.until ?? (follow ? undefined : '0s'), now),
    last: nothingSaid ? (follow ? 0 : DEFAULT_LAST) : last,
    first,
    follow,
    output: oneOf('output', values.output, OUTPUTS, 'compact'),
    colour: oneOf('color', values.color, ['auto', 'always', 'never'], 'auto'),
  };
}
