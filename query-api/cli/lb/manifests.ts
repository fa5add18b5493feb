/** Objects of a directory of manifests, or of one file, read as a collector reads them. */
import { stat } from 'node:fs/promises';
import { type ReadFile, readDirectory, readManifest } from '../../../collector/src/control/manifests/directory.ts';
import type { Condition } from '../../../collector/src/control/objects/source.ts';
import { BALANCED_KINDS } from '../../../collector/src/control/services/balancer.ts';
import { FlowspanError } from '../../../store/errors.ts';

export interface ReadManifests {
  readonly objects: readonly unknown[];
  /** Of objects that matter here and cannot be told from others. */
  readonly conditions: readonly Condition[];
}

const failure = (cause: string) =>
  new FlowspanError('FLOW_LB_MANIFESTS', `${cause}; correct it, or name another path with --manifests`);

async function filesOf(path: string): Promise<readonly ReadFile[]> {
  const isDirectory = await stat(path).then(
    (facts) => facts.isDirectory(),
    (error: Error) => {
      throw failure(error.message);
    },
  );
  if (!isDirectory) return [await readManifest(path)];
  const { files, refusal } = await readDirectory(path, new Map());
  if (refusal !== undefined) throw failure(`${path}: ${refusal.message}`);
  return files;
}

/** @throws FlowspanError FLOW_LB_MANIFESTS if something cannot be read: half of the objects would make a wrong answer */
export async function readManifests(path: string): Promise<ReadManifests> {
  const files = await filesOf(path);
  const broken = files.find(({ refusal }) => refusal !== undefined);
  if (broken !== undefined) throw failure(`${broken.name}: ${broken.refusal?.message}`);
  const all = files.flatMap(({ objects = [] }) => objects);
  const kinds: readonly string[] = BALANCED_KINDS;
  return {
    objects: all.flatMap(({ object, refusal }) => (refusal === undefined ? [object] : [])),
    conditions: all.flatMap(({ id, refusal }) =>
      refusal !== undefined && kinds.includes(id.kind) ? [{ ...id, accepted: false, ...refusal }] : [],
    ),
  };
}
