/** The Kubernetes objects that documents hold: who each is, and whether its kind is one that Flowspan takes. */
import { createHash } from 'node:crypto';
import { apiVersionOf, KINDS, type Kind, kindOf } from '../objects/kinds.ts';
import { type ObjectId, type Refusal, titleOf } from '../objects/source.ts';
import { DOCUMENTS, ManifestError } from './limits.ts';

/** An object as its file has it. */
export interface ManifestObject {
  /** As `ObjectId`; of a kind that is not known, its name may be any. */
  readonly id: Omit<ObjectId, 'kind'> & { readonly kind: string };
  /** Undefined if it is refused. */
  readonly object: unknown;
  readonly refusal: Refusal | undefined;
}

type Mapping = Readonly<Record<string, unknown>>;

/** What a namespace's and an object's name may be; nodes and policies may have dots in theirs. */
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const NAME_LENGTH = 253;
const KIND = /^[A-Za-z][A-Za-z0-9]{0,99}$/;
const API_VERSION = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[a-z0-9]{1,63}$/;

/**
 * The objects of a file, those of its Lists among them.
 * @throws ManifestError if one of them cannot be told from others: then none of the file can
 */
export function objectsOf(documents: readonly unknown[]): ManifestObject[] {
  return documents.flatMap((document, index) => {
    const where = documents.length === 1 ? 'it' : `document ${index + 1}`;
    const items = itemsOf(document, where);
    if (items === undefined) return [objectOf(document, where)];
    return items.map((item, at) => objectOf(item, `item ${at + 1} of ${where}`));
  });
}

/** The items of a List, or of what the API server answers when it lists one kind; undefined if it is neither. */
function itemsOf(document: unknown, where: string): unknown[] | undefined {
  if (!isMapping(document)) return undefined;
  const { apiVersion, kind, items } = own(document, 'apiVersion', 'kind', 'items');
  if (typeof kind !== 'string' || !kind.endsWith('List')) return undefined;
  if (!Array.isArray(items)) throw new ManifestError('InvalidList', `${where}: a ${kind} without a list of items`);
  if (items.length > DOCUMENTS) throw new ManifestError('TooManyDocuments', `${where}: more than ${DOCUMENTS} items`);
  const itemKind = kind.slice(0, -'List'.length);
  if (itemKind === '') return items;
  return items.map((item) => (isMapping(item) ? { apiVersion, kind: itemKind, ...item } : item));
}

function objectOf(document: unknown, where: string): ManifestObject {
  if (!isMapping(document)) throw new ManifestError('NoObject', `${where} is no mapping: apiVersion, kind, metadata`);
  const { apiVersion, kind, metadata } = own(document, 'apiVersion', 'kind', 'metadata');
  if (typeof kind !== 'string' || !KIND.test(kind)) throw new ManifestError('NoKind', `${where} has no kind`);
  if (typeof apiVersion !== 'string' || !API_VERSION.test(apiVersion)) {
    throw new ManifestError('NoApiVersion', `${where}, a ${kind}, has no apiVersion`);
  }
  const { name, namespace, uid } = own(isMapping(metadata) ? metadata : {}, 'name', 'namespace', 'uid');
  if (typeof name !== 'string' || name.length > NAME_LENGTH || !SUBDOMAIN.test(name)) {
    throw new ManifestError(
      'NoName',
      `${where}, a ${kind}, has no metadata.name of lower-case letters, digits, - and .`,
    );
  }
  if (namespace !== undefined && namespace !== null && (typeof namespace !== 'string' || !LABEL.test(namespace))) {
    throw new ManifestError('InvalidNamespace', `${where}, ${kind} ${name}: its metadata.namespace is no name`);
  }
  const known = kindOf(kind);
  const [group = ''] = apiVersion.includes('/') ? apiVersion.split('/') : [''];
  if (known === undefined || known.group !== group) {
    const id = { kind: `${apiVersion}/${kind}`, namespace: namespace ?? '', name };
    return { id, object: undefined, refusal: notTaken(apiVersion, kind) };
  }
  const id = { kind: known.kind, namespace: known.isNamespaced ? (namespace ?? 'default') : '', name };
  const refusal = wrongIn(known, apiVersion, namespace ?? undefined, uid);
  if (refusal !== undefined) return { id, object: undefined, refusal };
  return { id, object: completed(document, id, uid), refusal: undefined };
}

function wrongIn(known: Kind, apiVersion: string, namespace: unknown, uid: unknown): Refusal | undefined {
  const wanted = apiVersionOf(known);
  if (apiVersion !== wanted) {
    return { reason: 'UnsupportedVersion', message: `${apiVersion} is not read: write it as ${wanted}` };
  }
  if (!known.isNamespaced && namespace !== undefined) {
    return { reason: 'InvalidNamespace', message: `a ${known.kind} is in no namespace: leave metadata.namespace out` };
  }
  if (uid !== undefined && (typeof uid !== 'string' || uid === '' || uid.length > 128)) {
    return { reason: 'InvalidUid', message: 'metadata.uid is no text: leave it out, or write what the node calls it' };
  }
  return undefined;
}

function notTaken(apiVersion: string, kind: string): Refusal {
  const kinds = KINDS.map((known) => known.kind).join(', ');
  return {
    reason: 'UnsupportedKind',
    message: `nothing is taken from ${apiVersion} ${kind}: what is read is ${kinds}`,
  };
}

/** With its namespace, and with a UID that is the same wherever and whenever the object is read. */
function completed(document: Mapping, id: ObjectId, uid: unknown): unknown {
  const metadata = own(document, 'metadata').metadata as Mapping;
  const named = { ...metadata, uid: uid ?? uidOf(id), ...(id.namespace === '' ? {} : { namespace: id.namespace }) };
  return { ...document, metadata: named };
}

/** In the form of a UUID, of a hash. */
function uidOf(id: ObjectId): string {
  const hash = createHash('sha256')
    .update(`flowspan manifest ${titleOf(id)}`)
    .digest('hex');
  return hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Own properties; what is not there is undefined. */
function own<Key extends string>(value: Mapping, ...keys: readonly Key[]): Partial<Record<Key, unknown>> {
  return Object.fromEntries(keys.map((key) => [key, Object.hasOwn(value, key) ? value[key] : undefined])) as Partial<
    Record<Key, unknown>
  >;
}
