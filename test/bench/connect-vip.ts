/**
 * A TCP connect through the cluster address of a service, with 10 and with 30,000 services of three backends each: by the
 * programs at connect, by kube-proxy's iptables rules for the same services in the same run, and straight to a backend.
 * Addresses are spread over all services. PAIRS by environment. The last line is the figure with 30,000 services.
 */
import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openObject } from '../../collector/native/addon.ts';
import { ServiceTables } from '../../collector/src/control/services/compile.ts';
import { capacityOf, ServiceKernel } from '../../collector/src/control/services/kernel.ts';
import { modelOf } from '../../collector/src/control/services/model.ts';
import { readObjects } from '../../collector/src/control/services/read.ts';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace } from '../../deploy/lab/namespace.ts';
import { listening, type Place, start } from '../../deploy/lab/program.ts';
import { addressOf, objectsOf, PORT, rulesOf } from './connect-vip/services.ts';
import { PAIRS } from './kit/pairs.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const SERVICES = [10, 30_000];
const FIRST_PORT = 9001;
const CONNECTS = 1000;
const ASKED = 64;
const GOAL_US = 30;
const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** A process that times connects at a place, in microseconds. */
function timer(place: Place) {
  const program = start(place, ['python3', script('connect-vip/connects.py')], {}, 'pipe');
  const answers = createInterface({ input: program.process.stdout! })[Symbol.asyncIterator]();
  return {
    time: async (addresses: readonly string[], port: number): Promise<number> => {
      program.process.stdin!.write(`${CONNECTS} ${port} ${addresses.join(' ')}\n`);
      const { value } = await answers.next();
      if (value === undefined) throw new Error(`a connect failed: ${program.output()}`);
      return Number(value) / 1000;
    },
    stop: () => program.stop(),
  };
}

interface Measured {
  readonly ours: number[];
  readonly rules: number[];
  readonly direct: number[];
}

async function measure(services: number): Promise<Measured> {
  const object = openObject('build/bpf/dataplane.bpf.o');
  const [cgroup, elsewhere] = [createCgroup(), createCgroup()];
  const [balanced, translated, server] = [createNamespace(), createNamespace(), createNamespace()];
  const [ours, theirs] = [connect(balanced, server), connect(translated, server)];
  const ports = [0, 1, 2].map((at) => `x:${FIRST_PORT + at}`);
  const talker = script('../bpf/services/talker.ts');
  const serving = start({ namespace: server, cgroup: elsewhere }, [process.execPath, talker, 'serve', ...ports]);
  const timers = [
    timer({ namespace: balanced, cgroup }),
    timer({ namespace: translated, cgroup: elsewhere }),
    timer({ namespace: balanced, cgroup: elsewhere }),
  ] as const;
  try {
    for (const at of [0, 1, 2]) await listening(server, FIRST_PORT + at);
    object.load();
    for (const program of ['connect', 'getpeername'])
      for (const family of [4, 6]) object.attachCgroup(`service_${program}${family}`, cgroup.path);
    const read = readObjects(objectsOf(services, ours.b.ipv4, FIRST_PORT));
    const model = modelOf({ ...read, node: { name: 'n', zone: '' }, modeOf: () => 'enforce' });
    new ServiceKernel(object).apply(new ServiceTables(capacityOf(object)).change(model, new Map(), 0));
    // A service's address needs a route for the rules to be asked at all.
    translated.run('ip', 'route', 'add', 'default', 'via', theirs.b.ipv4);
    const restore = [...translated.enter.slice(1), 'iptables-legacy-restore'];
    execFileSync('nsenter', restore, { input: rulesOf(services, theirs.b.ipv4, FIRST_PORT), timeout: 300_000 });
    const asked = Array.from({ length: ASKED }, (_, at) => addressOf(Math.floor((at * services) / ASKED)));
    const measured: Measured = { ours: [], rules: [], direct: [] };
    for (let pair = 0; pair < PAIRS; pair += 1) {
      const turns = [
        async () => measured.ours.push(await timers[0].time(asked, PORT)),
        async () => measured.rules.push(await timers[1].time(asked, PORT)),
        async () => measured.direct.push(await timers[2].time([ours.b.ipv4], FIRST_PORT)),
      ];
      for (const turn of pair % 2 === 0 ? turns : turns.toReversed()) await turn();
      const [a, b, c] = [measured.ours, measured.rules, measured.direct].map((all) => all.at(-1)?.toFixed(1));
      process.stdout.write(
        `${services} services, pair ${pair + 1}: ${a} µs at connect, ${b} by rules, ${c} straight\n`,
      );
    }
    return measured;
  } finally {
    object.close();
    for (const each of timers) await each.stop();
    await serving.stop();
    for (const each of [cgroup, elsewhere, balanced, translated, server]) each.remove();
  }
}

for (const services of SERVICES) {
  const { ours, rules, direct } = await measure(services);
  printResult(
    resultOf(services === SERVICES.at(-1) ? 'connect-vip' : `connect-vip-${services}`, ours, {
      ...{ unit: 'µs/connect', goal: GOAL_US, better: 'lower' },
      peer: { name: `iptables, ${services} services`, value: Number(median(rules).toPrecision(4)) },
      limit: `${median(direct).toFixed(1)} (straight to a backend)`,
    }),
  );
}
