/**
 * Connections per second, each of one request, of a saturated nginx with Flowspan, divided by without: the server's end
 * observed, each request stored as a row. Every connection must have its last row.
 */
import { compare } from './overhead/compare.ts';
import { printRatio } from './overhead/figures.ts';
import { createRoom } from './overhead/site.ts';
import { startWeb } from './overhead/web.ts';

const room = createRoom();
const service = await startWeb('connections', room.site(1, 0.25), 'connections');
const [connections] = await compare(room, [service]);
printRatio('overhead-conn', connections, 0.95);
await service.stop();
room.close();
process.exit(0);
