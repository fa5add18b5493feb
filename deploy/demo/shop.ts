/** The shop: programs on its hosts, who asks whom, and the means to break them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../lab/folder.ts';
import { listening, type Program, start } from '../lab/program.ts';
import { lockShop } from './lock.ts';
import { createNetwork, type Host, type Network } from './network.ts';
import { gatewayConfiguration, paymentsConfiguration } from './nginx.ts';
import { type Behaviour, SERVICE_PORT } from './shop/service.ts';

/** The hosts of the shop. */
export const HOSTS = ['customer', 'mobile', 'gateway', 'catalog', 'checkout', 'cart', 'payments', 'redis'] as const;
/** Name of a host, and of its workload in what Flowspan says. */
export type HostName = (typeof HOSTS)[number];
type NodeService = 'catalog' | 'checkout' | 'cart';

/** Customers at once, and the pause of each between two requests. About 55 requests each second. */
const CUSTOMERS = 10;
const PAUSE_MS = 150;
const RECEIPT_BYTES = 30_000;

/** A running shop. */
export interface Shop {
  readonly network: Network<HostName>;
  readonly hosts: Readonly<Record<HostName, Host>>;
  /** Makes a Node service behave otherwise; `{}` is as it should. */
  behave(service: NodeService, behaviour: Behaviour): void;
  /** From now on payments answers one charge in two with 503, or no longer. */
  breakPayments(broken: boolean): void;
  /** Starts or stops a Node service. */
  startService(service: NodeService): Promise<void>;
  stopService(service: NodeService): Promise<void>;
  /**
   * Runs curl on the mobile host again and again.
   * @param words its arguments; `$GATEWAY` is the gateway's address
   * @param pauseS seconds between two runs
   * @returns ends it
   */
  mobile(words: string, pauseS: number): () => Promise<void>;
  stop(): Promise<void>;
}

function program(name: string): string {
  return fileURLToPath(new URL(`./shop/${name}.ts`, import.meta.url));
}

/** Makes the shop's hosts, with nothing on them. */
export function buildShop(): Network<HostName> {
  return createNetwork(HOSTS);
}

/**
 * Starts the shop's programs, the customers last, as soon as no other shop is open on this machine.
 * @param held the lock, if the caller holds it; it is let go when the shop stops
 */
export async function openShop(network: Network<HostName>, held?: Program): Promise<Shop> {
  const lock = held ?? (await lockShop());
  const { hosts } = network;
  const folder = temporaryFolder();
  const folderOf = (name: HostName): string => join(folder, name);
  for (const name of HOSTS) mkdirSync(folderOf(name));
  const behaviourFile = (name: NodeService): string => join(folderOf(name), 'behaviour.json');
  const running = new Map<string, Program>();
  const services: Readonly<Record<NodeService, readonly string[]>> = {
    catalog: [],
    cart: [hosts.redis.address],
    checkout: [hosts.cart.address, hosts.payments.address],
  };

  const started = async (name: HostName, command: readonly string[], port?: number): Promise<void> => {
    const host = hosts[name];
    const begun = start(host, command, { no_proxy: '*', http_proxy: '' });
    running.set(name, begun);
    if (port === undefined) return;
    try {
      await listening(host.namespace, port);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${begun.output()}`);
    }
  };
  const startService = async (name: NodeService): Promise<void> => {
    writeFileSync(behaviourFile(name), '{}');
    await started(name, [process.execPath, program(name), behaviourFile(name), ...services[name]], SERVICE_PORT);
  };
  const startNginx = async (name: HostName, configuration: string): Promise<void> => {
    const file = join(folderOf(name), 'nginx.conf');
    writeFileSync(file, configuration);
    await started(name, ['nginx', '-p', folderOf(name), '-c', file, '-e', join(folderOf(name), 'error.log')], 80);
  };

  writeFileSync(join(folderOf('payments'), 'receipt.txt'), 'paid, with thanks. '.repeat(RECEIPT_BYTES / 19));
  writeFileSync(join(folderOf('payments'), 'unavailable.txt'), 'the bank does not answer. '.repeat(RECEIPT_BYTES / 26));
  await Promise.all([
    started(
      'redis',
      ['redis-server', '--bind', '0.0.0.0', '--protected-mode', 'no', '--save', '', '--dir', folderOf('redis')],
      6379,
    ),
    startNginx('payments', paymentsConfiguration(folderOf('payments'))),
    startService('catalog'),
    startService('checkout'),
  ]);
  await startService('cart');
  const upstream = (host: Host): string => `${host.address}:${SERVICE_PORT}`;
  await startNginx(
    'gateway',
    gatewayConfiguration(folderOf('gateway'), upstream(hosts.catalog), upstream(hosts.checkout)),
  );
  const mobile = (words: string, pauseS: number): Program => {
    // curl runs beside the shell, so that the shell can end it.
    const script = `trap 'kill $!; exit' TERM; while :; do curl -s -o /dev/null -H 'Host: shop' ${words} & wait $!; sleep ${pauseS}; done`;
    return start(hosts.mobile, ['/bin/sh', '-c', script], { GATEWAY: hosts.gateway.address, http_proxy: '' });
  };
  await started('customer', [
    process.execPath,
    program('customer'),
    hosts.gateway.address,
    `${CUSTOMERS}`,
    `${PAUSE_MS}`,
  ]);
  running.set('mobile', mobile('"http://$GATEWAY/catalog/items"', 0.5));

  const broken = join(folderOf('payments'), 'broken');
  return {
    network,
    hosts,
    behave: (name, behaviour) => {
      writeFileSync(behaviourFile(name), JSON.stringify(behaviour));
      running.get(name)?.process.kill('SIGHUP');
    },
    breakPayments: (isBroken) => (isBroken ? writeFileSync(broken, '') : rmSync(broken, { force: true })),
    startService,
    stopService: async (name) => {
      await running.get(name)?.stop();
    },
    mobile: (words, pauseS) => {
      const looping = mobile(words, pauseS);
      return () => looping.stop();
    },
    stop: async () => {
      const clientsFirst = [...running.values()].toReversed();
      for (const each of clientsFirst) await each.stop('SIGTERM');
      await lock.stop();
    },
  };
}
