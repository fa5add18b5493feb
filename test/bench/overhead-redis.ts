/**
 * GETs per second of a saturated redis-server (redis-benchmark, 50 connections, pipeline 1) with Flowspan, divided by
 * without: the server's end observed, whose bytes are no HTTP. Its connections are told, what they carry is not.
 */
import { compare } from './overhead/compare.ts';
import { printRatio } from './overhead/figures.ts';
import { startRedis } from './overhead/redis.ts';
import { createRoom } from './overhead/site.ts';

const room = createRoom();
const service = await startRedis(room.site(1, 0.25));
const [redis] = await compare(room, [service]);
printRatio('overhead-redis', redis, 0.98);
await service.stop();
room.close();
process.exit(0);
