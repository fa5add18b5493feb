/** The configured directory of manifests. */
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../../config.ts';
import { LastGood } from './last_good.ts';
import { ManifestSource } from './source.ts';

/** @returns undefined where there is none; nothing is read before it is started */
export function openManifests(config: Pick<Config, 'manifests' | 'data_dir'>, log: Logger): ManifestSource | undefined {
  if (config.manifests === '') return undefined;
  const directory = resolve(config.manifests);
  return new ManifestSource({ directory, lastGood: new LastGood(config.data_dir, directory, log), log });
}
