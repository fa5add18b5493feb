/** `flowspan explain`: what is wrong, and why. */
import { UsageError } from '../filter_flags.ts';
import { askAll } from './ask.ts';
import { explain } from './explain.ts';
import { type ExplainCommand, explainHelp, readExplainCommand } from './flags.ts';
import { explainText } from './format.ts';

/** Exit codes, for scripts. */
export const EXIT = { answered: 0, found: 1, usage: 2 } as const;

/**
 * Runs the command.
 * @returns exit code: see EXIT
 * @throws ClientError if the query API does not answer, or refuses
 */
export async function main(argv: string[]): Promise<number> {
  let command: ExplainCommand | undefined;
  try {
    command = readExplainCommand(argv, process.env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return EXIT.usage;
  }
  if (command === undefined) {
    process.stdout.write(explainHelp());
    return EXIT.answered;
  }
  const answers = await askAll(command);
  const findings = explain(answers);
  const { since, until, completeness, cut } = answers;
  process.stdout.write(
    command.output === 'json'
      ? `${JSON.stringify({ since, until, findings, completeness, cut })}\n`
      : explainText(findings, answers),
  );
  return command.fail && findings.length > 0 ? EXIT.found : EXIT.answered;
}
