/** Goes through faults: break, wait, mend, ask Flowspan, judge. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FiredAlert } from './alerts.ts';
import { askFlowspan, type Explanation } from './ask.ts';
import type { Fault } from './faults.ts';
import { complaints } from './judge.ts';
import { reportLines } from './report.ts';
import type { Scene } from './scene.ts';

/** What came of one fault. */
export interface Outcome {
  /** Name of the fault; `none` if nothing was broken. */
  readonly name: string;
  /** While it was broken, RFC 3339. */
  readonly since: string;
  readonly until: string;
  readonly said: Explanation;
  readonly fired: readonly FiredAlert[];
  /** What is not as expected; empty if all is right. */
  readonly wrong: readonly string[];
}

/** How long nothing is broken when that is what is asked for, seconds. */
const IDLE_S = 20;
/** Longest wait for the alert that must fire, beyond the fault's own time. */
const ALERT_TIMEOUT_MS = 30_000;

/**
 * Runs one fault, or none, from a calm shop to the judgement.
 * @param pace what the time that it stays broken is multiplied by; default 1
 */
export async function runFault(scene: Scene, fault: Fault | undefined, pace = 1): Promise<Outcome> {
  await scene.alerts.calm(fault?.alerts.map(({ alert }) => alert));
  const begin = Date.now();
  const mend = await fault?.inject(scene.shop);
  await sleep((fault?.lastsS ?? IDLE_S) * pace * 1000);
  for (const alert of fault?.alerts ?? []) await scene.alerts.fires(alert, ALERT_TIMEOUT_MS);
  const end = Date.now();
  await mend?.();
  const [since, until] = [new Date(begin).toISOString(), new Date(end).toISOString()];
  const said = await askFlowspan(scene.flowspan, since, until);
  const asked = Date.now();
  const fired = await scene.alerts.firedBetween(begin, asked);
  const own = await scene.alerts.ownFiredBetween(begin, asked);
  return { name: fault?.name ?? 'none', since, until, said, fired, wrong: complaints(fault, said, fired, own) };
}

/** Runs faults one after another; none of them if the list is empty. @param print gets each line of the report */
export async function runFaults(
  scene: Scene,
  faults: readonly Fault[],
  print: (line: string) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const all = faults.length === 0 ? [undefined] : faults;
  for (const [index, fault] of all.entries()) {
    const outcome = await runFault(scene, fault);
    outcomes.push(outcome);
    const title = fault === undefined ? 'none: nothing is broken' : `${fault.name}: ${fault.title}`;
    const head = `${index + 1}/${all.length} ${title}`;
    for (const line of reportLines(head, outcome.said, outcome.fired, outcome.wrong)) print(line);
  }
  return outcomes;
}
