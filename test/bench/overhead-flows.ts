/**
 * As overhead-rps at the server's end, with flows and metrics only (`collector.read_requests: false`): connections are
 * told, requests are not.
 */
import { compare } from './overhead/compare.ts';
import { printRatio } from './overhead/figures.ts';
import { createRoom } from './overhead/site.ts';
import { startWeb } from './overhead/web.ts';

const room = createRoom();
const service = await startWeb('flows only', room.site(1, 0.25), 'flows');
const [flows] = await compare(room, [service], { FLOWSPAN_COLLECTOR_READ_REQUESTS: 'false' });
printRatio('overhead-flows', flows, 0.985);
await service.stop();
room.close();
process.exit(0);
