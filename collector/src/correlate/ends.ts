/**
 * Who the two ends of a record are. The observed end is known by its cgroup and process. The other end is known if its
 * own socket was observed on this machine too; else by where servers are reached, else by address. Two passes: what is
 * learned from one look at the rings serves the records of the look before, so that both ends have a chance to be seen.
 * Wrong is worse than unknown: what contradicts itself stays unknown.
 */
import { ENUMS, FLOW_RECORD as F } from '../../../bpf/wire/events.gen.ts';
import { IDENTITY_BASES as BASIS } from '../../../store/tables.ts';
import { Addresses, type AddressesOptions } from './addresses.ts';
import { Changes } from './changes.ts';
import { Connections, NOT_KNOWN, NOT_SEEN, NOWHERE, OWN, socketOf } from './connections.ts';
import { Dialled, type DialledOptions } from './dialled.ts';
import { FACTS, Facts, SERVICE } from './facts.ts';
import { Fingerprint } from './fingerprint.ts';
import { type LocalEnd, NO_CONTAINER } from './local_end.ts';
import { Moment } from './moment.ts';
import { ObservedEnd } from './observed_end.ts';
import { OtherEnd, type OtherEndOptions } from './other_end.ts';
import { Servers } from './servers.ts';
import { ServiceNames } from './service_names.ts';
import { ToldEnds } from './told_ends.ts';

export interface EndsOptions extends AddressesOptions, DialledOptions, OtherEndOptions {
  readonly localEnd: LocalEnd;
  /** Services that are told apart at a time. Default: 32,768. */
  readonly mostServices?: number | undefined;
}

const SERVICES = 32_768;

const CLIENT = ENUMS.observation_point.client;
const SERVER = ENUMS.observation_point.server;

/** Resolves one record at a time; the result stands in the fields until the next. */
export class Ends {
  readonly #options: EndsOptions;
  readonly #fingerprint: Fingerprint;
  readonly #moment = new Moment();
  readonly #connections: Connections;
  /** The same by sequence numbers: where addresses are translated, the ends have nothing else in common. */
  readonly #translated: Connections;
  readonly #facts: Facts;
  readonly #servers: Servers;
  readonly #addresses: Addresses;
  readonly #observed: ObservedEnd;
  readonly #other: OtherEnd;
  readonly #changes = new Changes();
  readonly #told: ToldEnds;
  /** Of the connection that was asked for last: the low half of its fingerprint. */
  #group = 0;
  /** The service dialled and its backend, of the record resolved last. */
  readonly dialled: Dialled;
  /** Endpoint numbers of the initiator and the responder, 0 if not known. */
  source = 0;
  destination = 0;
  /** How they were told, as IDENTITY_BASES has it. */
  sourceBasis: number = BASIS.none;
  destinationBasis: number = BASIS.none;
  /** Id of the container that the observed end lives in, as rows have it; empty if none is known. */
  container: Buffer = NO_CONTAINER;
  /** 1 if the end that the record does not speak for is observed as well, here or on another node, else 0. */
  peerObserved = 0;

  constructor(options: EndsOptions) {
    const { arena, endpoints, localEnd } = options;
    this.#options = options;
    this.#fingerprint = new Fingerprint(arena);
    this.#connections = new Connections(arena, FACTS);
    this.#translated = new Connections(arena, 1);
    const moment = this.#moment;
    const facts = new Facts(arena, this.#connections);
    const changes = this.#changes;
    const servers = new Servers(arena, endpoints, moment, changes);
    const addresses = new Addresses(options, moment, changes);
    this.#facts = facts;
    this.#servers = servers;
    this.#addresses = addresses;
    this.#observed = new ObservedEnd(arena, localEnd, servers);
    this.#other = new OtherEnd(options, { servers, addresses, facts, moment });
    const services = new ServiceNames(options.mostServices ?? SERVICES, moment, (used) => {
      this.#connections.mark(SERVICE, used, moment.s);
      this.#translated.mark(OWN, used, moment.s);
    });
    this.dialled = new Dialled(options, services, { addresses, facts, moment, changes });
    const [groups, sequenceGroups] = [this.#connections.changes, this.#translated.changes];
    this.#told = new ToldEnds(
      arena,
      (group, sequenceGroup) =>
        changes.count + endpoints.changes + localEnd.changes + groups.of(group) + sequenceGroups.of(sequenceGroup),
    );
  }

  /** Servers whose owner could not be told and addresses that are new here, so far: reasons to look through /proc. */
  get missed(): number {
    return this.#observed.missed + this.#addresses.discovered;
  }

  /** Before each look: what time it is. */
  begin(nowMs: number, nowNs: bigint): void {
    this.#moment.set(nowMs, nowNs);
    this.#options.localEnd.begin(nowMs, nowNs);
    this.dialled.begin();
  }

  /** Asks the sources again from now on. */
  forget(): void {
    this.#changes.count += 1;
    this.#addresses.forget();
    this.#options.localEnd.forget();
  }

  /** Where a server was found to listen; see `Servers.noteListener`. */
  noteListener(protocol: number, address: Uint8Array, port: number, netns: number, number: number): void {
    this.#servers.noteListener(protocol, address, port, netns, number);
  }

  /** An address was found to be of this machine; see `Addresses.noteResident`. */
  noteLocalAddress(address: Uint8Array, number: number): void {
    this.#addresses.noteResident(address, number);
  }

  /** First pass: what a record tells about its observed end. */
  learn(record: number, isFlow: boolean): void {
    const point = this.#options.arena.bytes[record + F.observation_point];
    if (point !== CLIENT && point !== SERVER) return;
    if (isFlow) this.#learn(record, point, true);
    else if (!this.#told.isLearned(record, this.#moment.s)) {
      this.#learn(record, point, false);
      if (!this.dialled.isPending) this.#told.learned(record, this.#group, this.#moment.s);
    }
  }

  #learn(record: number, point: number, isFlow: boolean): void {
    const { arena } = this.#options;
    const local = this.#observed.of(record, point, isFlow);
    if (isFlow) this.#addresses.noteLocal(record + (point === CLIENT ? F.source_address : F.destination_address));
    const fingerprint = this.#fingerprint;
    const now = this.#moment.s;
    this.dialled.isPending = false;
    fingerprint.ofConnection(record);
    this.#group = fingerprint.low;
    const socket = socketOf(arena.view, record);
    const place = this.#connections.note(fingerprint, record, isFlow, socket, local, now);
    if (place === NOWHERE) return;
    // What is found out about a connection is of its client's socket where that is here.
    const isClientElsewhere = this.#connections.end(place, CLIENT) === NOT_SEEN;
    if (point === CLIENT || isClientElsewhere) this.#facts.renew(place, socket);
    const service = point === CLIENT ? this.dialled.learnClient(record, place) : 0;
    if ((isFlow || service !== 0) && fingerprint.ofSequences(record)) {
      const same = isFlow
        ? this.#translated.note(fingerprint, record, isFlow, socket, local, now)
        : this.#translated.find(fingerprint, this.#moment.s);
      if (service !== 0 && same !== NOWHERE && this.#service(same) !== service) {
        this.#translated.values[same * this.#translated.width + OWN] = service;
        this.#translated.changed(same);
      }
    }
    if (point === CLIENT) return;
    this.dialled.learnServer(record, isFlow, place, isClientElsewhere);
    if (local !== 0) this.#servers.note(record, local);
  }

  /** Second pass: both ends. */
  resolve(record: number, isFlow: boolean): void {
    if (!isFlow && this.#told.recall(record, this.#moment.s, this)) {
      this.#options.endpoints.use(this.source);
      this.#options.endpoints.use(this.destination);
      return;
    }
    const point = this.#options.arena.bytes[record + F.observation_point] as number;
    this.#other.isSettled = true;
    this.#resolve(record, point, isFlow);
    const observed = point === CLIENT ? this.source : point === SERVER ? this.destination : 0;
    if (!isFlow && observed !== 0 && this.#other.isSettled) this.#told.keep(record, this.#group, this.#moment.s, this);
  }

  #resolve(record: number, point: number, isFlow: boolean): void {
    const { arena } = this.#options;
    const fingerprint = this.#fingerprint;
    fingerprint.ofConnection(record);
    this.#group = fingerprint.low;
    const socket = socketOf(arena.view, record);
    const place = this.#connections.of(fingerprint, record, isFlow, socket, this.#moment.s);
    const facts = this.#facts.of(place, record, socket);
    let client = this.#connections.end(place, CLIENT);
    let server = this.#connections.end(place, SERVER);
    // One end, or both, under other addresses.
    let same = NOWHERE;
    if ((client === NOT_SEEN || server === NOT_SEEN) && fingerprint.ofSequences(record))
      same = this.#translated.find(fingerprint, this.#moment.s);
    const isClientElsewhere = client === NOT_SEEN;
    const isServerElsewhere = server === NOT_SEEN;
    if (isClientElsewhere) client = this.#translated.end(same, CLIENT);
    if (isServerElsewhere) server = this.#translated.end(same, SERVER);
    if (point === SERVER) {
      this.peerObserved = client === NOT_SEEN ? 0 : 1;
      const dialled = isClientElsewhere ? this.#service(same) : this.dialled.broughtTo(place);
      this.dialled.ofServer(record, facts, dialled);
      this.#resolveOther(CLIENT, client, record, facts);
      this.#resolveObserved(SERVER, server, record, isFlow);
    } else {
      if (point !== CLIENT) this.container = NO_CONTAINER;
      this.peerObserved = point === CLIENT && server !== NOT_SEEN ? 1 : 0;
      this.dialled.ofClient(record, facts, isServerElsewhere && server !== NOT_SEEN);
      if (point === CLIENT) this.#resolveObserved(CLIENT, client, record, isFlow);
      else this.#resolveOther(CLIENT, client, record, facts);
      this.#resolveOther(SERVER, server, record, facts);
    }
    const peer = point === CLIENT ? this.destination : point === SERVER ? this.source : 0;
    if (this.peerObserved === 0 && this.#isOnAnotherNode(peer)) this.peerObserved = 1;
  }

  /** Number of the service that a connection's client dialled. @param same its place by sequence numbers, or NOWHERE */
  #service(same: number): number {
    return same === NOWHERE ? 0 : (this.#translated.values[same * this.#translated.width + OWN] as number);
  }

  /** The end that the record speaks for. @param end what other records told of it */
  #resolveObserved(point: number, end: number, record: number, isFlow: boolean): void {
    const number = this.#observed.of(record, point, isFlow);
    this.container = this.#options.localEnd.container;
    if (number !== 0) this.#set(point, number, this.#observed.basis);
    else this.#setSeen(point, end);
  }

  /**
   * The end that the record does not speak for.
   * @param end what other records told of it
   * @param facts where the connection's facts are, or NOWHERE
   */
  #resolveOther(point: number, end: number, record: number, facts: number): void {
    if (end !== NOT_SEEN) {
      this.#setSeen(point, end);
      return;
    }
    const { service, backendAddress, backendPort, clientAddress, clientPort } = this.dialled;
    let number = 0;
    if (point === CLIENT) {
      const address = clientPort === 0 ? record + F.source_address : clientAddress;
      number = this.#other.of(record, facts, address, 0);
    } else if (backendPort !== 0) number = this.#other.of(record, facts, backendAddress, backendPort);
    // Who has a service's address, be it a node's, is not who was reached.
    else if (service === 0) {
      const port = this.#options.arena.view.getUint16(record + F.destination_port, true);
      number = this.#other.of(record, facts, record + F.destination_address, port);
    }
    this.#set(point, number, number === 0 ? BASIS.none : this.#other.basis);
  }

  /** An end that has a socket here is who that socket's owner is, or unknown. */
  #setSeen(point: number, end: number): void {
    if (end === NOT_SEEN || end === NOT_KNOWN) this.#set(point, 0, BASIS.none);
    else this.#set(point, end, BASIS.socket);
  }

  #set(point: number, number: number, basis: number): void {
    this.#options.endpoints.use(number);
    if (point === CLIENT) {
      this.source = number;
      this.sourceBasis = basis;
    } else {
      this.destination = number;
      this.destinationBasis = basis;
    }
  }

  /** Every node of a cluster has its collector: what lives on another node is observed there. */
  #isOnAnotherNode(number: number): boolean {
    const identity = this.#options.endpoints.identity(number);
    return identity !== undefined && !identity.here && identity.kind !== 'outside';
  }

  /** A number that stands for the responder of the record resolved last, also where its endpoint is not known. */
  destinationKey(record: number): number {
    if (this.destination !== 0) return this.destination;
    const { bytes, view } = this.#options.arena;
    const port = view.getUint16(record + F.destination_port, true);
    this.#fingerprint.ofService(bytes[record + F.protocol] as number, record + F.destination_address, port, 0);
    return -1 - (this.#fingerprint.low & 0x3fffffff);
  }
}
