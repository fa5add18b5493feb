/**
 * The hard case of overhead-rps: no budget, no core of anybody's own. nginx (one worker) takes all it can get, and wrk,
 * nginx, collector and store share every core, so that the ratio holds all of Flowspan's work, also that which elsewhere
 * runs on idle cores. Both ends observed, every request stored as two rows.
 */
import { compare } from './overhead/compare.ts';
import { printRatio } from './overhead/figures.ts';
import { createSharedRoom } from './overhead/site.ts';
import { startWeb } from './overhead/web.ts';

const room = createSharedRoom();
const service = await startWeb('shared', room.site(2, 0));
const [shared] = await compare(room, [service]);
printRatio('overhead-rps-shared', shared, 0.95);
await service.stop();
room.close();
process.exit(0);
