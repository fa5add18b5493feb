/**
 * Sends what an earlier run left, as the collector does, and prints by how many MiB its resident memory grew meanwhile.
 * Arguments: URL of ClickHouse, data folder.
 */
import { eventually } from '../../../deploy/lab/wait.ts';
import { forgetPeak, peakResidentBytes, residentBytes } from '../../support/resident.ts';
import { openSending } from './sending.ts';

const [url = '', dataDir = ''] = process.argv.slice(2);
const sending = await openSending({ url, dataDir });
forgetPeak('self');
const before = residentBytes('self');
sending.delivery.start();
await eventually('all to be sent', async () => sending.delivery.waiting().segments === 0, 60_000);
const grownMiB = Math.round((peakResidentBytes('self') - before) / 1024 ** 2);
await sending.close();
process.stdout.write(JSON.stringify({ grownMiB, stored: sending.stored }));
