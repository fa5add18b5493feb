/** The command line of `flowspan explain`. */
import { parseArgs } from 'node:util';
import { loadConfig, parseListen } from '../../../collector/src/config.ts';
import { wallClock } from '../../src/time.ts';
import { DEFAULT_SERVER, FILTERS, filterHelp, fixedTime, oneOf, readFilters, UsageError } from '../filter_flags.ts';
import type { Question } from './ask.ts';

/** Filters that say which edges are meant: they hold for edges, requests and events alike. */
const EDGE_FLAGS = [
  ...['from-pod', 'to-pod', 'pod', 'from-namespace', 'to-namespace', 'namespace'],
  ...[
    'from-service',
    'to-service',
    'service',
    'via-service',
    'from-container',
    'to-container',
    'container',
    'from-node',
    'to-node',
  ],
  ...['from-zone', 'to-zone', 'zone', 'from-label', 'to-label', 'label'],
  ...['from-workload', 'to-workload', 'workload', 'from-ip', 'to-ip', 'ip', 'to-port', 'port', 'node-name', 'cluster'],
];

const DEFAULT_SINCE = '5m';

/** What is asked on the command line. */
export interface ExplainCommand extends Question {
  readonly output: 'text' | 'json';
  /** Whether findings make the exit code 1. */
  readonly fail: boolean;
}

/** What `flowspan explain --help` prints. */
export function explainHelp(): string {
  return [
    'Usage: flowspan explain [flags]',
    '',
    'Says what is wrong: on which edge, which cause, with the numbers and requests that show it, and what follows from',
    'what. Asks the query API only.',
    '',
    'Which edges (a flag that is given twice means either; --not before a flag excludes):',
    ...filterHelp(EDGE_FLAGS),
    "  --own              judge the traffic of Flowspan's own ports as well",
    '',
    'When:',
    `  --since, --until   RFC 3339, Unix time, or how long ago (default --since ${DEFAULT_SINCE})`,
    '',
    'How:',
    '  -o, --output       text (default) or json',
    '  --fail             findings make the exit code 1',
    `  --server URL       the query API (default ${DEFAULT_SERVER}, or FLOWSPAN_SERVER); a token is taken from`,
    '                     FLOWSPAN_QUERY_API_TOKEN',
    '',
    'Exit codes: 0 answered, 1 it failed (with --fail: or something is wrong), 2 wrong usage.',
    '',
  ].join('\n');
}

const OPTIONS = {
  ...Object.fromEntries(EDGE_FLAGS.map((name) => [name, { type: 'string', multiple: true }] as const)),
  not: { type: 'boolean', multiple: true },
  own: { type: 'boolean' },
  since: { type: 'string' },
  until: { type: 'string' },
  output: { type: 'string', short: 'o' },
  fail: { type: 'boolean' },
  server: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = Partial<Record<'since' | 'until' | 'output' | 'server', string>> &
  Partial<Record<'own' | 'fail' | 'help', boolean>>;

function parse(argv: readonly string[]) {
  try {
    const { values, tokens } = parseArgs({ args: [...argv], options: OPTIONS, strict: true, tokens: true });
    return { values: values as Values, tokens };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'flowspan explain --help' lists the flags`);
  }
}

/** Ports of Flowspan itself, as the environment configures it, and the one asked. */
function ownPorts(server: string, env: NodeJS.ProcessEnv): number[] {
  const { store, collector, query_api } = loadConfig([], env);
  const listens = [store.listen, collector.listen, query_api.listen].map((listen) => parseListen(listen)?.port ?? 0);
  return [...new Set([...listens, Number(new URL(server).port)])].filter((port) => port > 0);
}

/**
 * Reads a command line; undefined if help is asked for.
 * @throws UsageError
 */
export function readExplainCommand(argv: readonly string[], env: NodeJS.ProcessEnv): ExplainCommand | undefined {
  const { values, tokens } = parse(argv);
  if (values.help) return undefined;
  const { filters } = readFilters(tokens);
  const server = (values.server ?? env.FLOWSPAN_SERVER ?? DEFAULT_SERVER).replace(/\/$/, '');
  if (!URL.canParse(server)) throw new UsageError(`--server: '${server}' is no URL`);
  const portNamed = [...filters.keys()].some((name) => name === FILTERS.port?.parameter || name.endsWith('_port'));
  if (!values.own && !portNamed) for (const port of ownPorts(server, env)) filters.append('port', `!${port}`);
  const now = wallClock();
  return {
    server,
    filters,
    since: fixedTime(values.since ?? DEFAULT_SINCE, now) ?? '',
    until: fixedTime(values.until ?? '0s', now) ?? '',
    output: oneOf('output', values.output, ['text', 'json'], 'text'),
    fail: values.fail === true,
    env,
  };
}
