/** What the environment of a long-running process says so that it takes less memory; `flowspan` (sh) says the same. */
import { fileURLToPath } from 'node:url';

/**
 * Node keeps compiled modules here, types stripped: without it each process loads what strips them, and keeps that
 * (20 MB). The build fills it; where it cannot be written it is only read.
 */
const COMPILE_CACHE = fileURLToPath(new URL('../../build/compile_cache', import.meta.url));

/**
 * The C library gives each thread a pool of its own that is never given back (7 MB), though ours seldom allocate at once;
 * and it takes what was freed once for a reason to keep the next such piece (25 MB after an outage).
 */
const FRUGAL_MALLOC = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '131072' };

/**
 * V8 lets what lives shortly take 48 MB once there was much of it, and keeps them though nobody asks any more (110 MB after
 * an hour of questions). The collector, whose command line is not always ours, sees to it itself (small_heap.ts).
 */
const SMALL_YOUNG_GENERATION = { NODE_OPTIONS: '--max-semi-space-size=4' };

/** Variables for a subcommand. */
export function frugal(command: string): Readonly<Record<string, string>> {
  return {
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...(command === 'collector' ? FRUGAL_MALLOC : {}),
    ...(command === 'query-api' ? SMALL_YOUNG_GENERATION : {}),
  };
}
