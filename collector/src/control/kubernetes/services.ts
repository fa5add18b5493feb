/** Services by the addresses they are dialled at, and which of them lead to an address. */
import { AddressSlots, type Words, wordsOfText } from './addresses.ts';
import { Column } from './columns.ts';
import type { ServiceObject, ServicePort, SliceObject } from './objects.ts';

/** A service and the port of it that was dialled; the port's name is empty if it has none. */
export interface DialledService {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
}

interface Service {
  /** namespace/name */
  readonly key: string;
  readonly ports: readonly ServicePort[];
  readonly slots: readonly number[];
}

interface Slice {
  readonly service: string;
  /** The first of its list. */
  first: number;
}

/** Lists of ports that are kept once for all services that have the same. */
const MOST_PORTS = 10_000;
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
  /** The next of the same slice. */
  readonly #next = new Column(Uint32Array);
  readonly #ports = new Map<string, readonly ServicePort[]>();
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
    const ports = this.#shared(object.ports);
    const service: Service = { key: keyOf(object), ports, slots };
    for (const address of object.addresses) {
      if (!wordsOfText(address, this.#words)) continue;
      const slot = this.#addresses.add(this.#words);
      this.#byAddress[slot] = service;
      slots.push(slot);
    }
    for (const { protocol, nodePort } of ports)
      if (nodePort !== 0) this.#byNodePort.set(nodePortKey(protocol, nodePort), service);
    this.#services.set(service.key, service);
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
    const slice: Slice = { service: object.service, first: 0 };
    this.#slices.set(keyOf(object), slice);
    for (const address of object.service === '' ? [] : object.addresses) {
      if (!wordsOfText(address, this.#words)) continue;
      const slot = this.#backends.add(this.#words);
      this.#byBackend[slot] = slice;
      this.#next.set(slot, slice.first);
      slice.first = slot;
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

  #shared(ports: readonly ServicePort[]): readonly ServicePort[] {
    const key = JSON.stringify(ports);
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    if (this.#ports.size >= MOST_PORTS) this.#ports.clear();
    this.#ports.set(key, ports);
    return ports;
  }

  /** @returns the addresses that it had */
  #dropSlice(key: string): Set<string> {
    const addresses = new Set<string>();
    let slot = this.#slices.get(key)?.first ?? 0;
    while (slot !== 0) {
      const next = this.#next.get(slot);
      this.#backends.read(slot, this.#words);
      addresses.add(this.#words.join());
      this.#byBackend[slot] = undefined;
      this.#backends.remove(slot);
      slot = next;
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

function told({ key }: Service, portName: string): DialledService {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1), portName };
}
