/** redis under redis-benchmark. */
import { listening, run, start } from '../../../deploy/lab/program.ts';
import { temporaryFolder } from '../../support/flowspan.ts';
import { SECONDS, type Service } from './compare.ts';
import { flowsOf } from './rows.ts';
import type { Site } from './site.ts';

const PORT = 6379;
const CONNECTIONS = 50;
/** Asked once, to know how many GETs take about SECONDS. */
const FIRST = 20_000;

/** Starts a redis that saves nothing. */
export async function startRedis(site: Site): Promise<Service> {
  const words = ['--port', String(PORT), '--save', '', '--bind', '0.0.0.0', '--protected-mode', 'no'];
  const server = start(site.server, ['redis-server', ...words, '--dir', temporaryFolder()]);
  await listening(site.server.namespace, PORT);
  site.admit(server.pid);
  const get = async (count: number): Promise<number> => {
    const words = ['-h', site.address, '-p', String(PORT), '-t', 'get', '-n', String(count), '-c', String(CONNECTIONS)];
    const command = site.asClient(['redis-benchmark', ...words, '-P', '1', '--csv']);
    const text = await run(site.client, command, (SECONDS + 60) * 1000);
    return Number(/^"GET","([\d.]+)"/m.exec(text)?.[1]);
  };
  let count = FIRST;
  return {
    ...{ name: 'redis', site },
    async load() {
      const perSecond = await get(count);
      const served = { count, perSecond };
      count = Math.round(perSecond * SECONDS);
      return served;
    },
    // redis-benchmark asks for the server's configuration over one or two connections more.
    rows: async (query, { fromMs }) => [
      {
        what: 'connections of no HTTP',
        found: await flowsOf(query, { site, port: PORT, fromMs, protocol: 'other' }),
        least: CONNECTIONS,
        most: CONNECTIONS + 4,
      },
    ],
    async stop() {
      await server.stop('SIGKILL');
      site.close();
    },
  };
}
