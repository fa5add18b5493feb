/** Services by the addresses they are dialled at, and which of them lead to an address. */
import type { ServiceName } from '../identity.ts';
import { AddressBook } from './address_book.ts';
import { type Words, wordsOfText } from './addresses.ts';
import { Column } from './columns.ts';
import type { ServiceObject, ServicePort, SliceObject } from './objects.ts';
import { Texts } from './texts.ts';

/** Lists of ports that are kept once for all services that have the same. */
const MOST_PORTS = 10_000;
const keyOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`;
const nodePortKey = (protocol: number, port: number) => protocol * 65_536 + port;

/** All services and EndpointSlices. */
export class Services {
  /** Keys `namespace/name`. */
  readonly #services = new Texts();
  /** By service. */
  readonly #portsOf: (readonly ServicePort[] | undefined)[] = [];
  readonly #addresses = new AddressBook();
  readonly #byNodePort = new Map<number, number>();
  readonly #slices = new Texts();
  /** By slice: the name of its service. */
  readonly #serviceOf = new Column(Uint32Array);
  readonly #names = new Texts();
  readonly #backends = new AddressBook();
  readonly #ports = new Map<string, readonly ServicePort[]>();
  readonly #words: Words = new Uint32Array(4);

  get count(): number {
    return this.#services.count;
  }

  get sliceCount(): number {
    return this.#slices.count;
  }

  take(object: ServiceObject): void {
    this.delete(object);
    const service = this.#services.hold(keyOf(object));
    const ports = this.#shared(object.ports);
    this.#portsOf[service] = ports;
    for (const address of object.addresses)
      if (wordsOfText(address, this.#words)) this.#addresses.add(service, this.#words);
    for (const { protocol, nodePort } of ports)
      if (nodePort !== 0) this.#byNodePort.set(nodePortKey(protocol, nodePort), service);
  }

  delete(object: { readonly namespace: string; readonly name: string }): void {
    const service = this.#services.find(keyOf(object));
    if (service === undefined) return;
    this.#addresses.drop(service);
    for (const { protocol, nodePort } of this.#portsOf[service] ?? []) {
      const key = nodePortKey(protocol, nodePort);
      if (this.#byNodePort.get(key) === service) this.#byNodePort.delete(key);
    }
    this.#portsOf[service] = undefined;
    this.#services.release(service);
  }

  /** @param moved called with each address that came or went; the words are reused */
  takeSlice(object: SliceObject, moved: (words: Words) => void): void {
    const before = this.#dropSlice(keyOf(object));
    const slice = this.#slices.hold(keyOf(object));
    this.#serviceOf.set(slice, this.#names.hold(object.service));
    for (const address of object.service === '' ? [] : object.addresses) {
      if (!wordsOfText(address, this.#words)) continue;
      this.#backends.add(slice, this.#words);
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
    return this.#services.all();
  }

  sliceKeys(): Iterable<string> {
    return this.#slices.all();
  }

  /**
   * The service that is dialled at an address.
   * @param isNode whether the address is a node's, at which services have ports of their own
   */
  dialled(words: Words, protocol: number, port: number, isNode: boolean): ServiceName | undefined {
    let only: number | undefined;
    let isShared = false;
    for (let slot = this.#addresses.first(words); slot !== 0; slot = this.#addresses.after(slot, words)) {
      const service = this.#addresses.ownerAt(slot);
      const ports = this.#portsOf[service] ?? [];
      if (ports.some((one) => one.port === port && one.protocol === protocol)) return this.#told(service, port);
      isShared ||= only !== undefined && only !== service;
      only = service;
    }
    // Several may share an external address; a port that none has belongs to the only one there is, unless the node
    // that lends it its address has ports of its own.
    if (!isNode) return isShared || only === undefined ? undefined : this.#told(only, 0);
    const service = this.#byNodePort.get(nodePortKey(protocol, port));
    const isDialled = (one: ServicePort) => one.nodePort === port && one.protocol === protocol;
    return service === undefined ? undefined : this.#told(service, this.#portsOf[service]?.find(isDialled)?.port ?? 0);
  }

  /** Names of the services that lead to an address, added to `names`. */
  leadingTo(words: Words, names: Set<string>): void {
    for (let slot = this.#backends.first(words); slot !== 0; slot = this.#backends.after(slot, words))
      names.add(this.#names.of(this.#serviceOf.get(this.#backends.ownerAt(slot))));
  }

  #told(service: number, port: number): ServiceName {
    const key = this.#services.of(service);
    const slash = key.indexOf('/');
    return { namespace: key.slice(0, slash), name: key.slice(slash + 1), port };
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
    const slice = this.#slices.find(key);
    if (slice === undefined) return addresses;
    this.#backends.drop(slice, (words) => addresses.add(words.join()));
    this.#names.release(this.#serviceOf.get(slice));
    this.#slices.release(slice);
    return addresses;
  }

  #tell(addresses: Iterable<string>, moved: (words: Words) => void): void {
    for (const address of addresses) {
      this.#words.set(address.split(',').map(Number));
      moved(this.#words);
    }
  }
}
