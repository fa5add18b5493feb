/** A watcher that reads what a data plane decides, both loaded by a test. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BpfObject } from '../../collector/native/addon.ts';
import { SHARED_MAPS } from '../../collector/src/attach/shared_maps.ts';
import type { Cgroup } from '../../deploy/lab/cgroup.ts';
import { pinDirectory } from '../../deploy/lab/pins.ts';
import { Watcher } from './watcher.ts';

/** @param dataplane loaded; its maps are given names that are removed at the process's end */
export function watchWith(dataplane: BpfObject, cgroup: Cgroup): Watcher {
  const directory = pinDirectory();
  mkdirSync(directory);
  const path = (map: string) => join(directory, map);
  for (const map of SHARED_MAPS) dataplane.pinMap(map, path(map));
  return new Watcher(cgroup, { shared: { path, redirects: false } });
}
