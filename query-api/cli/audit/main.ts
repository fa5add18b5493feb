/** `flowspan audit`: checks that records wanted = stored + aggregated + lost, against collectors and store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { AuditedNode } from '../../src/audit.ts';
import type { Completeness } from '../../src/completeness.ts';
import { UsageError } from '../filter_flags.ts';
import { ClientError, getJson } from '../observe_client.ts';
import { completenessLine, nodeLines } from './format.ts';
import { isAtRest, type JudgedNode, judgeNode, type LiveCounters } from './judge.ts';

/** Exit codes, for scripts. */
export const EXIT = { closes: 0, doesNotClose: 1, cannotTell: 2 } as const;

const HELP = `Usage: flowspan audit [--collector URL]... [--server URL] [--since TIME] [-o text|json]

Checks that every record is accounted for: records that the kernel wanted to write = stored + aggregated + shed + lost +
in flight, by node, run and kind; and that the store has as many rows as were acknowledged.

  --collector URL   a collector (default http://127.0.0.1:7471); may be given several times
  --server URL      the query API (default http://127.0.0.1:7470, or FLOWSPAN_SERVER)
  --since TIME      runs that reported since then (default 1h); RFC 3339, Unix time or a duration
  -o, --output      text (default) or json

Tokens are taken from FLOWSPAN_COLLECTOR_TOKEN and FLOWSPAN_QUERY_API_TOKEN.
Exit codes: 0 it closes, 1 it does not close, 2 that cannot be told: wrong usage, somebody does not answer, a collector
was killed, rows have expired.
`;

/** Rows come and go while the store counts: so often it is asked again for a moment in which none did. */
const TRIES = 5;
const BETWEEN_TRIES_MS = 500;

interface Asked {
  readonly collectors: readonly string[];
  readonly server: string;
  readonly since: string;
  readonly output: string;
  readonly help: boolean;
}

function options(argv: readonly string[]): Asked {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        collector: { type: 'string', multiple: true },
        server: { type: 'string' },
        since: { type: 'string' },
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const { collector, server, since = '1h', output = 'text', help = false } = values;
    if (output !== 'text' && output !== 'json') throw new Error(`--output: '${output}' is not one of text, json`);
    return {
      collectors: (collector ?? ['http://127.0.0.1:7471']).map((url) => url.replace(/\/$/, '')),
      server: (server ?? process.env.FLOWSPAN_SERVER ?? 'http://127.0.0.1:7470').replace(/\/$/, ''),
      ...{ since, output, help },
    };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'flowspan audit --help' lists the flags`);
  }
}

/** What was found at one moment. */
interface Finding {
  readonly nodes: readonly JudgedNode[];
  readonly completeness: Completeness;
  /** Collectors that do not answer, and why. */
  readonly unreachable: readonly string[];
}

/** The collectors' counters; of those that do not answer, why. */
async function askCollectors(urls: readonly string[]): Promise<readonly (LiveCounters | string)[]> {
  const env = { FLOWSPAN_QUERY_API_TOKEN: process.env.FLOWSPAN_COLLECTOR_TOKEN };
  return await Promise.all(
    urls.map(async (url) => {
      try {
        return await getJson<LiveCounters>(`${url}/status`, env);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        return `collector ${url}: ${error.code}: ${error.message}`;
      }
    }),
  );
}

async function look({ collectors, server, since }: Asked): Promise<Finding> {
  const before = await askCollectors(collectors);
  const { data, completeness } = await getJson<{ data: AuditedNode[]; completeness: Completeness }>(
    `${server}/v1/audit?since=${encodeURIComponent(since)}`,
    process.env,
  );
  const after = await askCollectors(collectors);
  const of = (list: readonly (LiveCounters | string)[], { cluster, node }: Pick<AuditedNode, 'cluster' | 'node'>) =>
    list.find((one): one is LiveCounters => typeof one !== 'string' && one.cluster === cluster && one.node === node);
  const unheard = after.filter(
    (one): one is LiveCounters =>
      typeof one !== 'string' && !data.some(({ cluster, node }) => one.cluster === cluster && one.node === node),
  );
  const new_ = unheard.map(({ cluster, node }) => ({ cluster, node, runs: [], stored: {}, expired_before: null }));
  return {
    nodes: [...data, ...new_].map((node) => judgeNode(node, of(before, node), of(after, node))),
    completeness,
    unreachable: after.filter((one) => typeof one === 'string'),
  };
}

/** A moment in which nothing was on its way, if there is one; else the last one looked at. */
async function lookAtRest(asked: Asked): Promise<Finding> {
  let found = await look(asked);
  for (let tries = 1; tries < TRIES && !found.nodes.every(isAtRest); tries += 1) {
    await sleep(BETWEEN_TRIES_MS);
    found = await look(asked);
  }
  return found;
}

function verdict({ nodes, unreachable }: Finding): { readonly code: number; readonly text: string } {
  const wrong = nodes.flatMap((node) => node.wrong);
  if (wrong.length > 0) return { code: EXIT.doesNotClose, text: 'does not close: see above' };
  if (nodes.length === 0) return { code: EXIT.cannotTell, text: 'cannot tell: no collector has reported in this time' };
  const unknown = [...nodes.flatMap((node) => node.unknown), ...unreachable];
  if (unknown.length > 0) return { code: EXIT.cannotTell, text: 'cannot tell for all of it; what is known closes' };
  return nodes.every(isAtRest)
    ? { code: EXIT.closes, text: 'closes: every record is accounted for' }
    : {
        code: EXIT.closes,
        text: 'closes: every record is accounted for; rows were on their way while the store was asked',
      };
}

/**
 * Runs the command.
 * @returns exit code: see EXIT
 */
export async function main(argv: string[]): Promise<number> {
  let asked: Asked;
  try {
    asked = options(argv);
    if (asked.help) {
      process.stdout.write(HELP);
      return EXIT.closes;
    }
    const found = await lookAtRest(asked);
    const { code, text } = verdict(found);
    const lines = [...found.nodes.flatMap(nodeLines), ...found.unreachable, completenessLine(found.completeness), text];
    const json = { ...found, verdict: text, exit_code: code };
    process.stdout.write(asked.output === 'json' ? `${JSON.stringify(json)}\n` : `${lines.join('\n')}\n`);
    return code;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof ClientError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return EXIT.cannotTell;
  }
}
