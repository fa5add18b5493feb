/**
 * Preloaded into test files that run beside another (run-tests.ts): they, and what they start, go behind what has its
 * normal turn on this machine's cores.
 */
import { getPriority, setPriority } from 'node:os';

/** Niceness that leaves a busy core's greater part, three quarters, to who has none. */
const NICENESS = 5;

setPriority(Math.max(getPriority(), NICENESS));
