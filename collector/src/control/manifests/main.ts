/** `flowspan manifests check DIR`: what a collector would say of a directory, without one. */
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { Followers } from '../objects/followers.ts';
import { titleOf } from '../objects/source.ts';
import { checkPolicy, POLICY_KINDS } from '../policy/objects.ts';
import { BALANCED_KINDS, checkBalanced } from '../services/balancer.ts';
import { readDirectory } from './directory.ts';
import { IDENTITY_KINDS } from './identity.ts';
import { checkIdentity } from './identity_schema.ts';
import { type ManifestCondition, merge, NOTHING } from './merge.ts';

/** Exit codes, for scripts. */
export const EXIT = { accepted: 0, unreadable: 1, usage: 2, refused: 3 } as const;

const HELP = `Usage: flowspan manifests check DIR [-o text|json]

Reads a directory of Kubernetes objects as 'flowspan collector --manifests DIR' does, and says of each object whether it would be
accepted, and if not, why. Nothing is changed, and nothing needs to run.

  -o, --output      text (default) or json

Exit codes: 0 all are accepted, 1 the directory cannot be read, 2 wrong usage, 3 something is refused.
`;

/** How the objects of a directory would stand at the start of a collector. */
export async function checkManifests(directory: string): Promise<readonly ManifestCondition[]> {
  const followers = new Followers(pino({ level: 'silent' }));
  const nobody = { take: () => undefined, delete: () => undefined, settled: () => undefined };
  followers.follow(IDENTITY_KINDS, { ...nobody, check: checkIdentity });
  followers.follow(BALANCED_KINDS, { ...nobody, check: checkBalanced });
  followers.follow(POLICY_KINDS, { ...nobody, check: checkPolicy });
  const read = await readDirectory(directory, new Map());
  return merge(directory, NOTHING, read, (id, object) => followers.check(id, object)).conditions;
}

/** One line for each condition. */
function textOf(conditions: readonly ManifestCondition[]): string {
  const lines = conditions.map((condition) => {
    const { accepted, file, kind, message, reason } = condition;
    const title = kind === 'File' || kind === 'Directory' ? '' : `${titleOf(condition)}: `;
    const place = kind === 'Directory' ? condition.name : file;
    return accepted ? `accepted  ${place}: ${titleOf(condition)}` : `REFUSED   ${place}: ${title}${reason}: ${message}`;
  });
  const refused = conditions.filter(({ accepted }) => !accepted).length;
  return `${[...lines, `${conditions.length - refused} accepted, ${refused} refused`].join('\n')}\n`;
}

/** What a command line is answered. */
export async function answer(argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let asked: { readonly directory: string; readonly output: string } | undefined;
  try {
    asked = arguments_(argv);
  } catch (error) {
    const err = `FLOW_CLI_USAGE: ${(error as Error).message}; 'flowspan manifests --help' says how\n`;
    return { code: EXIT.usage, out: '', err };
  }
  if (asked === undefined) return { code: EXIT.accepted, out: HELP, err: '' };
  const conditions = await checkManifests(asked.directory);
  const out = asked.output === 'json' ? `${JSON.stringify({ conditions })}\n` : textOf(conditions);
  if (conditions.some(({ kind }) => kind === 'Directory')) return { code: EXIT.unreadable, out, err: '' };
  return { code: conditions.every(({ accepted }) => accepted) ? EXIT.accepted : EXIT.refused, out, err: '' };
}

/**
 * Runs the command.
 * @returns exit code: see EXIT
 */
export async function main(argv: string[]): Promise<number> {
  const { code, out, err } = await answer(argv);
  process.stdout.write(out);
  process.stderr.write(err);
  return code;
}

/** @returns undefined if only help is asked for */
function arguments_(argv: readonly string[]): { readonly directory: string; readonly output: string } | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { output: { type: 'string', short: 'o' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) return undefined;
  const [verb, directory, ...more] = positionals;
  if (verb !== 'check') throw new Error(`'${verb ?? ''}' is not one of: check`);
  if (directory === undefined || more.length > 0) throw new Error('one directory is wanted');
  const { output = 'text' } = values;
  if (!['text', 'json'].includes(output)) throw new Error(`--output: '${output}' is not one of text, json`);
  return { directory, output };
}
