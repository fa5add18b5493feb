/**
 * Customers who look around and buy, each with a pause between two requests. They keep their connection, and now and
 * then begin another. Usage: customer.ts GATEWAY-ADDRESS CUSTOMERS PAUSE-MS
 */
import { Agent, get } from 'node:http';
import { waited } from './service.ts';

const [, , gateway, customers, pause] = process.argv;
/** Requests over one connection. */
const KEPT = 12;
const LONGEST_MS = 10_000;
const VISIT = ['/', '/catalog/items', '/catalog/items/7', '/checkout/', '/checkout/'] as const;

function ask(path: string, agent: Agent): Promise<void> {
  return new Promise((resolve) => {
    const asked = get({ host: gateway, path, agent, headers: { host: 'shop' }, timeout: LONGEST_MS }, (answer) => {
      answer.resume().on('close', resolve);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve());
  });
}

async function visit(customer: number): Promise<never> {
  for (let requests = 0; ; ) {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let kept = 0; kept < KEPT; kept += 1) {
      const path = VISIT[requests % VISIT.length] as string;
      await ask(path.endsWith('checkout/') ? `${path}${customer}` : path, agent);
      await waited(Number(pause));
      requests += 1;
    }
    agent.destroy();
  }
}

await Promise.all(Array.from({ length: Number(customers) }, (_, index) => visit(index)));
