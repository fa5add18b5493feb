/**
 * What a directory's files mean together, after what they meant before. A file that cannot be read and an object that
 * cannot be honoured leave in use what was taken from them last; of an object that is in several files the one in use
 * stays. Nothing here has an effect: what is to be told is the answer.
 */
import { isDeepStrictEqual } from 'node:util';
import { ACCEPTED, type Condition, keyOf, type ObjectId, type Refusal } from '../objects/source.ts';
import type { ReadDirectory, ReadFile } from './directory.ts';
import type { ManifestObject } from './objects.ts';

/** A condition, and which file it is of. */
export interface ManifestCondition extends Condition {
  readonly file: string;
}

/** An object that was taken. */
export interface InUse {
  readonly id: ObjectId;
  readonly object: unknown;
  readonly file: string;
}

/** What is known of a directory. */
export interface Manifests {
  /** By `keyOf`. */
  readonly inUse: ReadonlyMap<string, InUse>;
  /** What each file says now, by name. */
  readonly files: ReadonlyMap<string, ReadFile>;
  /** Those that are not accepted first. */
  readonly conditions: readonly ManifestCondition[];
}

export interface Merged extends Manifests {
  /** To be told in this order. */
  readonly gone: readonly InUse[];
  readonly taken: readonly InUse[];
}

export const NOTHING: Manifests = { inUse: new Map(), files: new Map(), conditions: [] };

const KEPT = 'what was taken from it before stays in use';

/** One file's word on one object. */
interface Word {
  readonly file: string;
  /** Undefined: the file cannot be read, and what it said before counts. */
  readonly said: ManifestObject | undefined;
}

/**
 * @param name of the directory, for its condition
 * @param check why an object cannot be honoured; undefined if it can
 */
export function merge(
  name: string,
  before: Manifests,
  read: ReadDirectory,
  check: (id: ObjectId, object: unknown) => Refusal | undefined,
): Merged {
  if (read.refusal !== undefined) {
    const { reason, message } = read.refusal;
    const own = { kind: 'Directory', namespace: '', name, file: '', accepted: false };
    const others = before.conditions.filter(({ kind }) => kind !== 'Directory');
    const rest = before.inUse.size === 0 ? '' : `; ${KEPT}`;
    const conditions = [{ ...own, reason, message: `${message}${rest}` }, ...others];
    return { ...before, conditions, gone: [], taken: [] };
  }
  const conditions: ManifestCondition[] = [];
  const files = new Map(read.files.map((file) => [file.name, completed(file, before.files.get(file.name))]));
  const words = new Map<string, Word[]>();
  const say = (key: string, word: Word) => {
    const there = words.get(key);
    if (there === undefined) words.set(key, [word]);
    else there.push(word);
  };
  for (const file of files.values()) {
    if (file.objects !== undefined) {
      for (const said of file.objects) say(keyOf(said.id), { file: file.name, said });
    } else {
      const held = [...before.inUse].filter(([, { file: from }]) => from === file.name);
      for (const [key] of held) say(key, { file: file.name, said: undefined });
      conditions.push(ofFile(file, held.length));
    }
  }
  const decisions = new Map<string, Decision>();
  for (const [key, all] of words) {
    const last = before.inUse.get(key);
    const chosen = all.find(({ file }) => file === last?.file) ?? (all[0] as Word);
    decisions.set(key, decide(chosen, last, check));
    for (const other of all) if (other !== chosen) conditions.push(duplicate(other, chosen));
  }
  const inUse = new Map<string, InUse>();
  const taken: InUse[] = [];
  for (const [key, { use, condition }] of withoutSharedUids(decisions, before.inUse)) {
    const last = before.inUse.get(key);
    if (use !== undefined) inUse.set(key, use);
    if (use !== undefined && use.object !== last?.object) taken.push(use);
    conditions.push(condition);
  }
  // One that has another UID is another object, of which the first is gone.
  const gone = [...before.inUse].flatMap(([key, last]) => {
    const now = inUse.get(key);
    return now === undefined || uidOf(now) !== uidOf(last) ? [last] : [];
  });
  conditions.sort((a, b) => Number(a.accepted) - Number(b.accepted));
  return { inUse, files, conditions, gone, taken };
}

/** Of a file with the bytes of before, what it said then. */
function completed(file: ReadFile, known: ReadFile | undefined): ReadFile {
  return file.objects === undefined && file.refusal === undefined && known !== undefined ? known : file;
}

interface Decision {
  readonly use: InUse | undefined;
  readonly condition: ManifestCondition;
}

/** What is used of an object, and how it stands. */
function decide(
  { file, said }: Word,
  last: InUse | undefined,
  check: (id: ObjectId, object: unknown) => Refusal | undefined,
): Decision {
  if (said === undefined) {
    const { id } = last as InUse;
    const message = 'its file cannot be read: this is what was taken from it last';
    return { use: last, condition: { ...id, accepted: false, reason: 'LastGood', message, file } };
  }
  const { object } = said;
  const id = said.id as ObjectId;
  // What is in use was accepted; to check it again at each change of another file would take a second for 20,000.
  const isSame = last !== undefined && isDeepStrictEqual(last.object, object);
  const refusal = said.refusal ?? (isSame ? undefined : check(id, object));
  if (refusal === undefined) {
    const use = { id, object: isSame ? last.object : object, file };
    return { use, condition: { ...id, accepted: true, ...ACCEPTED, file } };
  }
  const message = last === undefined ? refusal.message : `${refusal.message}; ${KEPT}`;
  const use = last === undefined ? undefined : { ...last, file };
  return { use, condition: { ...id, accepted: false, reason: refusal.reason, message, file } };
}

/** Of objects of one kind that claim one UID, the one that had it before keeps it, else the first. */
function withoutSharedUids(
  decisions: ReadonlyMap<string, Decision>,
  before: ReadonlyMap<string, InUse>,
): Map<string, Decision> {
  const owners = new Map<string, string>();
  for (const [key, { use }] of decisions) {
    if (use === undefined) continue;
    const last = before.get(key);
    const hadIt = last !== undefined && uidOf(last) === uidOf(use);
    if (hadIt || !owners.has(uidOf(use))) owners.set(uidOf(use), key);
  }
  return new Map(
    [...decisions].map(([key, decision]) => {
      const { use, condition } = decision;
      const owner = use === undefined ? key : owners.get(uidOf(use));
      if (owner === key) return [key, decision];
      const last = before.get(key);
      const isFree = last !== undefined && !owners.has(uidOf(last));
      const rest = isFree ? `; ${KEPT}` : '';
      const message = `${owner} has the same metadata.uid: leave it out, or write another${rest}`;
      const refused = { ...condition, accepted: false, reason: 'DuplicateUid', message };
      return [key, { use: isFree ? last : undefined, condition: refused }];
    }),
  );
}

function duplicate({ file, said }: Word, chosen: Word): ManifestCondition {
  const { id } = (said ?? chosen.said) as ManifestObject;
  const where = chosen.file === file ? 'above in this file' : `in ${chosen.file}`;
  const message = `it is ${where} as well, and only that counts: remove one of them`;
  return { ...id, accepted: false, reason: 'Duplicate', message, file };
}

function ofFile({ name, refusal }: ReadFile, held: number): ManifestCondition {
  const { reason, message } = refusal ?? { reason: 'Unreadable', message: 'it cannot be read' };
  const rest = held === 0 ? 'nothing is taken from it' : `${held} objects that were taken from it before stay in use`;
  return { kind: 'File', namespace: '', name, accepted: false, reason, message: `${message}; ${rest}`, file: name };
}

/** By which an object is told apart from its successors, with its kind. */
function uidOf({ id, object }: InUse): string {
  return `${id.kind} ${(object as { metadata: { uid: string } }).metadata.uid}`;
}
