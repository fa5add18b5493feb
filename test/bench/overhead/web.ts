/** nginx under wrk. */
import { run } from '../../../deploy/lab/program.ts';
import { startNginx } from '../../support/nginx.ts';
import { helloLocation, helloRows } from '../kit/hello.ts';
import { SECONDS, type Service } from './compare.ts';
import { type Check, flowsOf } from './rows.ts';
import type { Site } from './site.ts';

const CONNECTIONS = 64;
/** Requests after which nginx ends a connection, as it stands in its configuration. */
const KEPT_ALIVE = 1000;
const PORT = 80;

/**
 * What is observed: requests on connections that are kept alive; the same with requests left unread; requests on a
 * connection each.
 */
export type WebKind = 'requests' | 'flows' | 'connections';

/**
 * One worker of nginx that answers 20 bytes and writes no log: about the least that a request can cost a server, so that
 * observing it shows the most.
 */
export async function startWeb(name: string, site: Site, kind: WebKind = 'requests'): Promise<Service> {
  const nginx = await startNginx(site.server, { workers: 1, locations: helloLocation('/r/') });
  site.admit(nginx.program.pid);
  const pathOf = (label: string): string => `/r/${site.ends}/${label}`;
  const header = kind === 'connections' ? ['-H', 'Connection: close'] : [];
  return {
    ...{ name, site },
    async load(label) {
      const wrk = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, ...header];
      const command = site.asClient([...wrk, `http://${site.address}${pathOf(label)}`]);
      const text = await run(site.client, command, (SECONDS + 20) * 1000);
      if (/Non-2xx|Socket errors/.test(text)) throw new Error(text);
      return {
        count: Number(/(\d+) requests in/.exec(text)?.[1]),
        perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
      };
    },
    async rows(query, { label, count, fromMs }) {
      const protocol = kind === 'flows' ? 'other' : 'http1';
      const ended = await flowsOf(query, { site, port: PORT, fromMs, protocol });
      // When wrk ends, each of its connections may have had an answer that it has not counted.
      const asked = kind === 'flows' ? [0, 0] : [count * site.ends, (count + CONNECTIONS) * site.ends];
      const opened = kind === 'connections' ? count : Math.max(CONNECTIONS, Math.floor(count / KEPT_ALIVE));
      const checks: [string, number, readonly number[]][] = [
        ['requests', await helloRows(query, pathOf(label)), asked],
        ['connections', ended, [opened, opened + CONNECTIONS]],
      ];
      return checks.map(([what, found, [least = 0, most = 0]]): Check => ({ what, found, least, most }));
    },
    async stop() {
      await nginx.stop();
      site.close();
    },
  };
}
