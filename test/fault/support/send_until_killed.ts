/** Process that sends rows of `requests` and is killed: node send_until_killed.ts URL PASSWORD DATA_DIR FIRST_NS ROWS */
import { REQUESTS } from '../../../store/tables.ts';
import { requestRow } from './request_rows.ts';
import { openSending } from './sending.ts';

const [url = '', password = '', dataDir = '', first = '0', count = '0'] = process.argv.slice(2);
const { delivery } = await openSending({ url, password, dataDir });
for (let row = 0; row < Number(count); row += 1) delivery.add(REQUESTS, requestRow(BigInt(first), row));
delivery.flush(Date.now());
delivery.flush(Date.now() + 120_000);
delivery.start();
setInterval(() => undefined, 1000);
