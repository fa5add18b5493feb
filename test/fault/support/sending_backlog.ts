/**
 * Sends what an earlier run left, as the collector does, and prints by how many MiB its resident memory grew meanwhile.
 * Arguments: URL of ClickHouse, data folder.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { eventually } from '../../../deploy/lab/wait.ts';
import { openSending } from './sending.ts';

const [url = '', dataDir = ''] = process.argv.slice(2);
const kib = (what: string) =>
  Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
const sending = await openSending({ url, dataDir });
writeFileSync('/proc/self/clear_refs', '5');
const before = kib('VmRSS');
sending.delivery.start();
await eventually('all to be sent', async () => sending.delivery.waiting().segments === 0, 60_000);
const grownMiB = Math.round((kib('VmHWM') - before) / 1024);
await sending.close();
process.stdout.write(JSON.stringify({ grownMiB, stored: sending.stored }));
