/** `flowspan policy check`: what drafts of policies would change of what was seen. */
import { FlowspanError } from '../../../store/errors.ts';
import { isPolicy, kindOf, WANTED } from '../../src/policy/objects.ts';
import { UsageError } from '../filter_flags.ts';
import { readManifests } from '../manifests.ts';
import { ClientError, postJson } from '../observe_client.ts';
import { policyHelp, readPolicyCommand } from './flags.ts';
import { type CheckAnswer, checkText, conditionLine } from './format.ts';
import { readInForce } from './in_force.ts';

/** Exit codes, for scripts. */
export const EXIT = { denies_nothing: 0, denies: 1, cannot_tell: 2 } as const;

/** A directory of drafts may hold other objects, too; what is called a policy and is none that is known is told. */
const isDraft = (kind: string) => WANTED.some((one) => one.kind === kind) || /polic/i.test(kind);

/**
 * Runs the command.
 * @returns exit code: see EXIT
 */
export async function main(argv: string[]): Promise<number> {
  try {
    const command = readPolicyCommand(argv, process.env);
    if (command === undefined) {
      process.stdout.write(policyHelp());
      return EXIT.denies_nothing;
    }
    const read = await readManifests(command.drafts, 'FLOW_POLICY_DRAFTS');
    const drafts = read.objects.filter((object) => isDraft(kindOf(object)));
    const refused = read.conditions.filter(({ kind }) => isDraft(kind));
    if (!drafts.some(isPolicy)) {
      process.stderr.write(
        [
          ...refused.map(conditionLine),
          `FLOW_POLICY_DRAFTS: there is no policy in ${command.drafts} that could be replayed; name a file or a directory of drafts`,
          '',
        ].join('\n'),
      );
      return EXIT.cannot_tell;
    }
    const { objects, from, conditions = [] } = await readInForce(command, process.env);
    const body = { drafts, ...(objects === undefined ? {} : { current: objects }) };
    const url = `${command.server}/v1/policy/check?${command.parameters}`;
    const told = await postJson<CheckAnswer>(url, body, process.env);
    const answer = { ...told, drafts: [...refused, ...told.drafts], current: [...conditions, ...told.current] };
    process.stdout.write(
      command.output === 'json' ? `${JSON.stringify({ ...answer, in_force: from })}\n` : checkText(answer, from),
    );
    const isRefused = answer.drafts.some(({ accepted }) => !accepted);
    const denied = [answer.connections, answer.requests].some((counts) => counts.allowed_to_denied !== '0');
    return isRefused || denied ? EXIT.denies : EXIT.denies_nothing;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof ClientError || error instanceof FlowspanError)) throw error;
    process.stderr.write(`${error.message.startsWith(error.code) ? '' : `${error.code}: `}${error.message}\n`);
    return EXIT.cannot_tell;
  }
}
