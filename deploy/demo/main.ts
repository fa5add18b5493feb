/**
 * `make demo`: a shop in network namespaces, broken in one way after another, and what Flowspan says to each. Ends with
 * 0 if all of it is right, with 1 if not. FAULTS=none breaks nothing, FAULTS=loss,both some; KEEP=1 leaves everything
 * running until Ctrl-C.
 */
import { chosenFaults } from './faults.ts';
import { runFaults } from './run.ts';
import { startScene } from './scene.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const began = performance.now();
const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(0)} s`;

/** Until a signal ends the process; ../lab/registry.ts then removes everything. */
function forever(): Promise<never> {
  setInterval(() => {}, 60_000);
  return new Promise(() => {});
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    print('FLOW_DEMO_NOT_ROOT: namespaces and BPF programs need root; run make demo as root');
    return 1;
  }
  const faults = chosenFaults(process.env.FAULTS ?? '');
  const keep = (process.env.KEEP ?? '') !== '';
  print(
    'demo: opening the shop; customer, mobile -> gateway -> catalog, checkout; checkout -> cart -> redis, payments',
  );
  const scene = await startScene(print);
  print(`demo: customers buy, Flowspan watches, Prometheus scrapes (${seconds()})\n`);
  const outcomes = await runFaults(scene, faults, print);
  const wrong = outcomes.filter((outcome) => outcome.wrong.length > 0);
  if (wrong.length === 0) print(`demo: all as expected (${seconds()})`);
  else print(`demo: not as expected: ${wrong.map(({ name }) => name).join(', ')} (${seconds()})`);
  if (keep) {
    print(`demo: everything keeps running until Ctrl-C
  query API   ${scene.flowspan.queryApiUrl}/v1/edges?since=5m
  metrics     ${scene.flowspan.collectorUrl}/metrics
  Prometheus  ${scene.alerts.url}/alerts
  store       ${scene.flowspan.storeUrl}  (ClickHouse's HTTP interface, database flowspan)`);
    await forever();
  }
  await scene.end();
  return wrong.length === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  const { message, stack } = error as Error;
  print(message.startsWith('FLOW_') ? message : `demo: ${stack}`);
  process.exit(1);
}
