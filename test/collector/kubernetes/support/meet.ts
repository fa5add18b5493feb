/** A reflector meets a stand-in. */
import type { ReflectorOptions } from '../../../../collector/src/control/kubernetes/reflector.ts';
import { eventually } from '../../../../deploy/lab/wait.ts';
import { type Running, reflect } from './mirror.ts';
import { type Answer, endOfList, line, object, type StandIn } from './stand_in.ts';

export const PODS = { path: '/api/v1/pods' };
/** Short waits; a failure that lasts shows in their growth all the same. */
export const TIMING = { watchSilenceMs: 60_000, backoff: { firstMs: 50, mostMs: 400, resetMs: 60_000 } };
/** A whole list of one pod as a stream, and the watch that follows. */
export const ONE = [line('ADDED', object('a', 5)), endOfList(7)];

/** Runs a reflector against the answers until `check` passes, and ends it. */
export async function meet(
  server: StandIn,
  answers: readonly Answer[],
  check: (running: Running) => boolean,
  options: Partial<ReflectorOptions> = {},
): Promise<Running> {
  server.script(...answers);
  const running = reflect(server.api, PODS, { timing: TIMING, random: () => 0, ...options });
  try {
    await eventually('the reflector', () => check(running), 30_000);
  } catch (error) {
    const { reflector, mirror } = running;
    throw new Error(`${(error as Error).message}: ${JSON.stringify([reflector.state, mirror.calls])}`);
  } finally {
    await running.stop();
    server.cut();
  }
  return running;
}
