/** What balancing needs of a Node. */
import { address, field, items, name, text } from './values.ts';

export interface BalancedNode {
  readonly name: string;
  readonly zone: string;
  /** Where its node ports answer. */
  readonly addresses: readonly string[];
}

/** As the API server bounds none: far above what a node has. */
const ADDRESSES = 256;
const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** Reads a Node. @throws Refused if anything of what is read is not as the API says */
export function readBalancedNode(value: unknown): BalancedNode {
  const object = { value, path: '' };
  const told = items(field(object, 'status', 'addresses'), ADDRESSES).filter((one) =>
    ['InternalIP', 'ExternalIP'].includes(text(field(one, 'type'))),
  );
  return {
    name: name(field(object, 'metadata', 'name')),
    zone: text(field(object, 'metadata', 'labels', ZONE_LABEL), 63),
    addresses: told.map((one) => address(field(one, 'address'))),
  };
}
