/**
 * Requests per second of a saturated nginx with Flowspan, every request stored as a row, divided by without. nginx, which
 * answers 20 bytes and writes no log, has a budget of processor time on a core of its own (overhead/site.ts), small enough
 * for wrk, collector and store to have time to spare on the other. Figures: with both ends observed, where wrk shares
 * nginx's core and budget; and (last line) with the server's end observed.
 * What collector and store take where no core is spare: overhead-rps-shared.
 * PAIRS and SECONDS in the environment change how many pairs there are and how long each half lasts.
 */
import { compare } from './overhead/compare.ts';
import { printRatio } from './overhead/figures.ts';
import { createRoom } from './overhead/site.ts';
import { startWeb } from './overhead/web.ts';

const room = createRoom();
const services = [
  await startWeb('server end', room.site(1, 0.25)),
  await startWeb('both ends', room.site(2, 0.4)),
] as const;
const [server, both] = await compare(room, services);
printRatio('overhead-rps-both-ends', both, 0.95);
printRatio('overhead-rps', server, 0.97);
for (const each of services) await each.stop();
room.close();
process.exit(0);
