/** The command line of `flowspan policy check`. */
import { parseArgs } from 'node:util';
import { oneOf, UsageError } from '../filter_flags.ts';

/** What is asked on the command line. */
export interface PolicyCommand {
  /** A file of drafts, or a directory. */
  readonly drafts: string;
  /** A file or directory of what is in force. */
  readonly manifests: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly server: string;
  /** Parameters of the query API. */
  readonly parameters: URLSearchParams;
  readonly output: 'text' | 'json';
}

const HELP = `Usage: flowspan policy check FILE|DIR [--since 24h] [flags]

Replays stored connections and requests against drafts of policies (NetworkPolicy, CiliumNetworkPolicy,
CiliumClusterwideNetworkPolicy, ClusterNetworkPolicy; YAML or JSON), and shows what would be denied that is allowed and the
other way round, by workload, with counts, and how far the evidence goes. A draft takes the place of the policy in force
that has its name. Nothing is changed anywhere.

What is in force is taken from --manifests; else from the API server, if there is a kubeconfig (KUBECONFIG,
~/.kube/config) or a service account; else nothing is in force. The same objects tell the labels of namespaces and nodes
and the names of pods' ports: verdicts that hang on what they do not tell are shown as not known.

  --since TIME         begin of what is replayed (default 24h): RFC 3339, Unix time or a duration
  --until TIME         its end (default now)
  -n, --namespace NS   only what has an end in this namespace
  --manifests PATH     what is in force: a directory or a file of policies, Namespaces, Nodes and Pods
  --kubeconfig FILE    the API server that tells what is in force
  --context NAME       context of the kubeconfig (default: the current one)
  --examples N         examples of each change, 0 to 20 (default 3)
  --limit N            most changes that are shown
  --server URL         the query API (default http://127.0.0.1:7470, or FLOWSPAN_SERVER)
  -o, --output         text (default) or json

Its token is taken from FLOWSPAN_QUERY_API_TOKEN.
Exit codes: 0 nothing that is allowed would be denied; 1 something would be, or a draft is refused; 2 that cannot be told:
wrong usage, or somebody does not answer.
`;

/** What `flowspan policy --help` prints. */
export const policyHelp = (): string => HELP;

const text = { type: 'string' } as const;
const OPTIONS = {
  ...{ since: text, until: text, manifests: text, kubeconfig: text, context: text },
  ...{ examples: text, limit: text, server: text },
  namespace: { type: 'string', short: 'n' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const;
/** Flags that are parameters of the query API. */
const PARAMETERS = ['since', 'until', 'namespace', 'examples', 'limit'] as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; 'flowspan policy --help' lists the flags`);
  }
}

/**
 * Reads a command line; undefined if help is asked for.
 * @throws UsageError
 */
export function readPolicyCommand(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): PolicyCommand | undefined {
  const { values, positionals } = parse(argv);
  if (values.help || positionals.length === 0) return undefined;
  const [verb, drafts, ...others] = positionals;
  if (verb !== 'check') throw new UsageError(`'${verb}': there is only 'flowspan policy check'`);
  if (drafts === undefined || others.length > 0) throw new UsageError('name one file or directory of drafts');
  const { manifests, kubeconfig, context, server = env.FLOWSPAN_SERVER ?? 'http://127.0.0.1:7470' } = values;
  if (manifests !== undefined && kubeconfig !== undefined)
    throw new UsageError('--manifests and --kubeconfig: say one of them');
  const parameters = new URLSearchParams();
  for (const name of PARAMETERS) {
    const value = values[name];
    if (value !== undefined) parameters.set(name, value);
  }
  return {
    ...{ drafts, manifests, kubeconfig, context, parameters },
    server: server.replace(/\/$/, ''),
    output: oneOf('output', values.output, ['text', 'json'], 'text'),
  };
}
