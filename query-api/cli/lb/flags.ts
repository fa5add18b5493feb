/** The command line of `flowspan lb explain`. */
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { MAGLEV_LARGE_SIZE, MAGLEV_SIZE } from '../../../collector/src/control/services/maglev.ts';
import { oneOf, UsageError } from '../filter_flags.ts';

/** What is asked on the command line. */
export interface LbCommand {
  readonly namespace: string;
  readonly service: string;
  /** A directory or a file. */
  readonly manifests: string;
  /** An address, or address:port, of backends that are lost. */
  readonly without: string | undefined;
  readonly node: string;
  readonly zone: string;
  readonly maglevSize: number;
  readonly output: 'text' | 'json';
}

/** What `flowspan lb --help` prints. */
export function lbHelp(): string {
  return [
    'Usage: flowspan lb explain [NAMESPACE/]SERVICE --manifests PATH [flags]',
    '',
    'Shows from which addresses a service can be reached, which backends a client of a node would be brought to, how even',
    'that is, and what would move if a backend were lost. It asks nobody: all is worked out from the manifests. Slots are',
    'those of a table that is made anew; a node that saw backends come and go may have them in another order.',
    '',
    '  --manifests PATH     YAML or JSON of Services and EndpointSlices: a directory, or one file, such as what',
    '                       kubectl get services,endpointslices -A -o yaml prints',
    '  --without BACKEND    what losing this backend would move: an address, or address:port',
    '  --node NAME          the node whose clients are meant (default: this machine); matters for traffic policy Local',
    '  --zone NAME          its zone; matters for services that prefer near backends',
    `  --maglev-size N      entries of a Maglev table: ${MAGLEV_SIZE} (default) or ${MAGLEV_LARGE_SIZE}`,
    '  -o, --output         text (default) or json',
    '',
    'Exit codes: 0 answered, 1 a service has nobody to answer or an object was refused, 2 wrong usage.',
    '',
  ].join('\n');
}

const OPTIONS = {
  manifests: { type: 'string' },
  without: { type: 'string' },
  node: { type: 'string' },
  zone: { type: 'string' },
  'maglev-size': { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'flowspan lb --help' lists the flags`);
  }
}

/**
 * Reads a command line; undefined if help is asked for.
 * @throws UsageError
 */
export function readLbCommand(argv: readonly string[]): LbCommand | undefined {
  const { values, positionals } = parse(argv);
  if (values.help || positionals.length === 0) return undefined;
  const [verb, asked, ...others] = positionals;
  if (verb !== 'explain') throw new UsageError(`'${verb}': there is only 'flowspan lb explain'`);
  const [, namespace = 'default', service] = /^(?:([^/]+)\/)?([^/]+)$/.exec(asked ?? '') ?? [];
  if (service === undefined || others.length > 0) throw new UsageError('name one service, as NAMESPACE/SERVICE');
  if (values.manifests === undefined) throw new UsageError('--manifests: say where the objects are');
  const sizes = [MAGLEV_SIZE, MAGLEV_LARGE_SIZE].map(String);
  return {
    namespace,
    service,
    manifests: values.manifests,
    without: values.without,
    node: values.node ?? hostname(),
    zone: values.zone ?? '',
    maglevSize: Number(oneOf('maglev-size', values['maglev-size'], sizes, String(MAGLEV_SIZE))),
    output: oneOf('output', values.output, ['text', 'json'], 'text'),
  };
}
