/** What reader.ts runs in a thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { readDirectory } from './directory.ts';
import type { ReadOrder } from './reader.ts';

const { directory, known } = workerData as ReadOrder;
parentPort?.postMessage(await readDirectory(directory, known));
