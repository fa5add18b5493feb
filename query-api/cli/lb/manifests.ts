/** Objects of a directory of manifests, or of one file. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { FlowspanError } from '../../../store/errors.ts';

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => !name.startsWith('.') && /\.(?:ya?ml|json)$/.test(name));
  return names.toSorted().map((name) => join(path, name));
}

/** Objects of a document: those of a List are its items. */
function objectsIn(document: unknown): unknown[] {
  if (typeof document !== 'object' || document === null) return [];
  const items: unknown = Object.hasOwn(document, 'items') ? Reflect.get(document, 'items') : undefined;
  return Array.isArray(items) ? items : [document];
}

/** @throws FlowspanError FLOW_LB_MANIFESTS if something cannot be read: half of the objects would make a wrong answer */
export function readManifests(path: string): unknown[] {
  try {
    return filesIn(path).flatMap((file) => {
      const documents = parseAllDocuments(readFileSync(file, 'utf8'));
      const broken = documents.flatMap((document) => document.errors)[0];
      if (broken !== undefined) throw new Error(`${file}: ${broken.message.split('\n')[0]}`);
      return documents.flatMap((document) => objectsIn(document.toJS({ maxAliasCount: 100 })));
    });
  } catch (error) {
    const { message } = error as Error;
    throw new FlowspanError('FLOW_LB_MANIFESTS', `${message}; correct it, or name another path with --manifests`);
  }
}
