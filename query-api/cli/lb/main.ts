/** `flowspan lb explain`: whom a client of a service would be brought to, and why. */
import { BALANCED_KINDS } from '../../../collector/src/control/services/balancer.ts';
import { explainService } from '../../../collector/src/control/services/explain.ts';
import { modelOf } from '../../../collector/src/control/services/model.ts';
import { readObjects } from '../../../collector/src/control/services/read.ts';
import { UsageError } from '../filter_flags.ts';
import { readManifests } from '../manifests.ts';
import { type LbCommand, lbHelp, readLbCommand } from './flags.ts';
import { lbText } from './format.ts';

/** Exit codes, for scripts. */
export const EXIT = { answered: 0, wanting: 1, usage: 2 } as const;

async function explain(command: LbCommand): Promise<number> {
  const read = await readManifests(command.manifests, 'FLOW_LB_MANIFESTS', BALANCED_KINDS);
  const { services, slices, ...refused } = readObjects(read.objects);
  const conditions = [...read.conditions, ...refused.conditions];
  const { namespace, service, without, maglevSize, node, zone } = command;
  const model = modelOf({ services, slices, node: { name: node, zone }, modeOf: () => 'enforce' });
  const pools = explainService(model, namespace, service, without, maglevSize);
  const own = model.conditions.filter((condition) => condition.namespace === namespace && condition.name === service);
  const told = [...conditions, ...own];
  if (own.length === 0 && conditions.length === 0) {
    process.stderr.write(`FLOW_LB_SERVICE: ${command.manifests} has no service ${namespace}/${service}\n`);
    return EXIT.wanting;
  }
  process.stdout.write(
    command.output === 'json' ? `${JSON.stringify({ pools, conditions: told })}\n` : lbText(pools, told),
  );
  const wanting = pools.some(({ refusal }) => refusal !== '') || told.some(({ accepted }) => !accepted);
  return wanting ? EXIT.wanting : EXIT.answered;
}

/**
 * Runs the command.
 * @returns exit code: see EXIT
 * @throws FlowspanError FLOW_LB_MANIFESTS
 */
export async function main(argv: string[]): Promise<number> {
  try {
    const command = readLbCommand(argv);
    if (command !== undefined) return await explain(command);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return EXIT.usage;
  }
  process.stdout.write(lbHelp());
  return EXIT.answered;
}
