/** Plain parsed objects to what the model takes; those that cannot be read are told by a condition, and left out whole. */
import type { Condition } from '../objects/source.ts';
import { Refused } from './refused.ts';
import { type BalancedService, readBalancedService } from './service_object.ts';
import { type BalancedSlice, readBalancedSlice } from './slice_object.ts';

export interface ReadObjects {
  readonly services: readonly BalancedService[];
  readonly slices: readonly BalancedSlice[];
  /** Of objects that were refused. */
  readonly conditions: readonly Condition[];
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}

/** Text of a metadata field, if it is one, of an object that may be anything. */
function told(object: unknown, key: string): string {
  const value = own(own(object, 'metadata'), key);
  return typeof value === 'string' && value.isWellFormed() ? value.slice(0, 253) : '';
}

/** Reads objects of kinds Service and EndpointSlice; others are passed over. */
export function readObjects(objects: readonly unknown[]): ReadObjects {
  const services: BalancedService[] = [];
  const slices: BalancedSlice[] = [];
  const conditions: Condition[] = [];
  for (const object of objects) {
    const kind = own(object, 'kind');
    if (kind !== 'Service' && kind !== 'EndpointSlice') continue;
    try {
      if (kind === 'Service') services.push(readBalancedService(object));
      else slices.push(readBalancedSlice(object));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { reason, message } = error;
      const [namespace, name] = [told(object, 'namespace'), told(object, 'name')];
      conditions.push({ kind, namespace, name, accepted: false, reason, message });
    }
  }
  return { services, slices, conditions };
}
