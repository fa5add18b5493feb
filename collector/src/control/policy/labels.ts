/**
 * The label set of a pod, a node or what is outside: the one thing besides addresses that rules speak of. Keys say
 * whose label it is: `pod:app`, `namespace:team`, `node:zone`; a pod's ports by name are `port:http`.
 */
import type { Field } from './field.ts';
import { LABEL_KEY } from './fields.ts';
import type { Requirement, Selector } from './selector.ts';

/** What an end is: `pod`, `host` (the subject's own node), `remote-node` or `world`. */
export const ENTITY = 'entity';
/** Name of a pod's namespace. */
export const NAMESPACE = 'namespace';
/** Name of a pod's service account. */
export const SERVICE_ACCOUNT = 'serviceaccount';

export type Entity = 'pod' | 'host' | 'remote-node' | 'world';

export const keys = {
  pod: (key: string) => `pod:${key}`,
  namespace: (key: string) => `namespace:${key}`,
  node: (key: string) => `node:${key}`,
  port: (name: string) => `port:${name}`,
} as const;

export function entityIn(...entities: readonly Entity[]): Requirement {
  return { key: ENTITY, operator: 'In', values: entities };
}

/** All pods. */
export const PODS: Selector = [entityIn('pod')];

export function podsOf(namespace: string): Selector {
  return [...PODS, { key: NAMESPACE, operator: 'In', values: [namespace] }];
}

/** Reads the keys of a plain label selector, of pods, namespaces or nodes. */
export function labelsOf(whose: keyof typeof keys): (key: string, field: Field) => string {
  return (key, field) => {
    if (!LABEL_KEY.test(key))
      field.refuse('BadSelector', `${JSON.stringify(key.slice(0, 80))} is no key of a label`, 'correct it');
    return keys[whose](key);
  };
}
