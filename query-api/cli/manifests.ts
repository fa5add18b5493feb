/** Objects of a directory of manifests, or of one file, read as a collector reads them. */
import { stat } from 'node:fs/promises';
import { type ReadFile, readDirectory, readManifest } from '../../collector/src/control/manifests/directory.ts';
import type { Condition } from '../../collector/src/control/objects/source.ts';
import { FlowspanError } from '../../store/errors.ts';

export interface ReadManifests {
  readonly objects: readonly unknown[];
  /** Of objects that matter here and cannot be told from others. */
  readonly conditions: readonly Condition[];
}

type Code = `FLOW_${string}`;
const failure = (code: Code, cause: string) => new FlowspanError(code, `${cause}; correct it, or name another path`);

async function filesOf(path: string, code: Code): Promise<readonly ReadFile[]> {
  const isDirectory = await stat(path).then(
    (facts) => facts.isDirectory(),
    (error: Error) => {
      throw failure(code, error.message);
    },
  );
  if (!isDirectory) return [await readManifest(path)];
  const { files, refusal } = await readDirectory(path, new Map());
  if (refusal !== undefined) throw failure(code, `${path}: ${refusal.message}`);
  return files;
}

/**
 * @param kinds whose objects matter; left out: all
 * @param code of the error if something cannot be read: half of the objects would make a wrong answer
 * @throws FlowspanError
 */
export async function readManifests(path: string, code: Code, kinds?: readonly string[]): Promise<ReadManifests> {
  const files = await filesOf(path, code);
  const broken = files.find(({ refusal }) => refusal !== undefined);
  if (broken !== undefined) throw failure(code, `${broken.name}: ${broken.refusal?.message}`);
  const all = files.flatMap(({ objects = [] }) => objects).filter(({ id }) => kinds?.includes(id.kind) ?? true);
  return {
    objects: all.flatMap(({ object, refusal }) => (refusal === undefined ? [object] : [])),
    conditions: all.flatMap(({ id, refusal }) =>
      refusal === undefined ? [] : [{ ...id, accepted: false, ...refusal }],
    ),
  };
}
