/** Services by the addresses they are dialled at, and which of them lead to an address. */
import { AddressSlots, type Words, wordsOfText } from './addresses.ts';
import type { ServiceObject, ServicePort, SliceObject } from './objects.ts';

/** A service and the port of it that was dialled; the port's name is empty if it has none. */
export interface DialledService {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
}

interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly ports: readonly ServicePort[];
  readonly slots: readonly number[];
}

interface Slice {
  readonly service: string;
  readonly slots: Uint32Array;
}

const NO_ADDRESSES = new Uint32Array(0);
const keyOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`;
const nodePortKey = (protocol: number, port: number) => protocol * 65_536 + port;

/** All services and EndpointSlices. */
export class Services {
  readonly #services = new Map<string, Service>();
  readonly #addresses = new AddressSlots();
  readonly #byAddress: (Service | undefined)[] = [];
  readonly #byNodePort = new Map<number, Service>();
  readonly #slices = new Map<string, Slice>();
  readonly #backends = new AddressSlots();
  readonly #byBackend: (Slice | undefined)[] = [];
  readonly #words: Words = new Uint32Array(4);

  get count(): number {
    return this.#services.size;
  }

  get sliceCount(): number {
    return this.#slices.size;
  }

  take(object: ServiceObject): void {
    this.delete(object);
    const slots: number[] = [];
    const { namespace, name, ports } = object;
    const service: Service = { namespace, name, ports, slots };
    for (const address of object.addresses) {
      if (!wordsOfText(address, this.#words)) continue;
      const slot = this.#addresses.add(this.#words);
      this.#byAddress[slot] = service;
      slots.push(slot);
    }
    for (const { protocol, nodePort } of ports)
      if (nodePort !== 0) this.#byNodePort.set(nodePortKey(protocol, nodePort), service);
    this.#services.set(keyOf(object), service);
  }

  delete(object: { readonly namespace: string; readonly name: string }): void {
    const service = this.#services.get(keyOf(object));
    if (service === undefined) return;
    this.#services.delete(keyOf(object));
    for (const slot of service.slots) {
      this.#addresses.remove(slot);
      this.#byAddress[slot] = undefined;
    }
    for (const { protocol, nodePort } of service.ports) {
      const key = nodePortKey(protocol, nodePort);
      if (this.#byNodePort.get(key) === service) this.#byNodePort.delete(key);
    }
  }

  /** @param moved called with each address that came or went; the words are reused */
  takeSlice(object: SliceObject, moved: (words: Words) => void): void {
    const before = this.#dropSlice(keyOf(object));
    const slots: number[] = [];
    for (const address of object.service === '' ? [] : object.addresses) {
      if (wordsOfText(address, this.#words)) slots.push(this.#backends.add(this.#words));
    }
    const slice: Slice = {
      service: this.#services.get(`${object.namespace}/${object.service}`)?.name ?? object.service,
      slots: slots.length === 0 ? NO_ADDRESSES : Uint32Array.from(slots),
    };
    this.#slices.set(keyOf(object), slice);
    for (const slot of slots) {
      this.#byBackend[slot] = slice;
      this.#backends.read(slot, this.#words);
      if (!before.delete(this.#words.join())) moved(this.#words);
    }
    this.#tell(before, moved);
  }

  /** @param moved as with `takeSlice` */
  deleteSlice(object: { readonly namespace: string; readonly name: string }, moved: (words: Words) => void): void {
    this.#tell(this.#dropSlice(keyOf(object)), moved);
  }

  /** Keys `namespace/name` of all services, and of all slices. */
  serviceKeys(): Iterable<string> {
    return this.#services.keys();
  }

  sliceKeys(): Iterable<string> {
    return this.#slices.keys();
  }

  /**
   * The service that is dialled at an address.
   * @param isNode whether the address is a node's, at which services have ports of their own
   */
  dialled(words: Words, protocol: number, port: number, isNode: boolean): DialledService | undefined {
    let found: DialledService | undefined;
    for (let slot = this.#addresses.first(words); slot !== 0; slot = this.#addresses.after(slot, words)) {
      const service = this.#byAddress[slot] as Service;
      const dialled = service.ports.find((one) => one.port === port && one.protocol === protocol);
      // Several may share an external address; a port that none has belongs to the only one there is.
      if (dialled !== undefined) return told(service, dialled.name);
      found = found === undefined ? told(service, '') : undefined;
    }
    if (found !== undefined || !isNode) return found;
    const service = this.#byNodePort.get(nodePortKey(protocol, port));
    const name = service?.ports.find((one) => one.nodePort === port && one.protocol === protocol)?.name;
    return service && told(service, name ?? '');
  }

  /** Names of the services that lead to an address, added to `names`. */
  leadingTo(words: Words, names: Set<string>): void {
    for (let slot = this.#backends.first(words); slot !== 0; slot = this.#backends.after(slot, words)) {
      const slice = this.#byBackend[slot];
      if (slice !== undefined) names.add(slice.service);
    }
  }

  /** @returns the addresses that it had */
  #dropSlice(key: string): Set<string> {
    const addresses = new Set<string>();
    for (const slot of this.#slices.get(key)?.slots ?? []) {
      this.#backends.read(slot, this.#words);
      addresses.add(this.#words.join());
      this.#byBackend[slot] = undefined;
      this.#backends.remove(slot);
    }
    this.#slices.delete(key);
    return addresses;
  }

  #tell(addresses: Iterable<string>, moved: (words: Words) => void): void {
    for (const address of addresses) {
      this.#words.set(address.split(',').map(Number));
      moved(this.#words);
    }
  }
}

function told({ namespace, name }: Service, portName: string): DialledService {
  return { namespace, name, portName };
}
