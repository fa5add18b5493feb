/**
 * What pods ask of the redirect, by labels and annotations of their own or, for what they do not say, of their namespace:
 *
 *     labels:
 *       flowspan.io/redirect: sockmap | peer | both | none
 *     annotations:
 *       flowspan.io/proxy: 127.0.0.1:15001,[::1]:15001 | none
 *       flowspan.io/proxy-ports: 80,8080
 *
 * sockmap: connections between two such pods of a node go past TCP; peer: their packets go past the node's stack; the proxy
 * is given their connections to these ports. Nothing is done for who says nothing.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Refusal } from '../objects/source.ts';

export const REDIRECT_LABEL = 'flowspan.io/redirect';
export const PROXY_ANNOTATION = 'flowspan.io/proxy';
export const PROXY_PORTS_ANNOTATION = 'flowspan.io/proxy-ports';

/** Where a proxy listens, and what it is given. */
export interface ProxySettings {
  /** Undefined: connections over IPv4 are left alone. */
  readonly ipv4: string | undefined;
  /** The same for IPv6. */
  readonly ipv6: string | undefined;
  readonly port: number;
  /** Ports that are dialled, ascending. */
  readonly ports: readonly number[];
}

/** What is asked for. */
export interface Settings {
  readonly sockmap: boolean;
  readonly peer: boolean;
  readonly proxy: ProxySettings | undefined;
}

/** Labels and annotations; what is no text among them counts as absent. */
export interface Words {
  readonly labels: Readonly<Record<string, unknown>>;
  readonly annotations: Readonly<Record<string, unknown>>;
}

/** Settings, or why they cannot be honoured. */
export type Read = { readonly settings: Settings } | { readonly refusal: Refusal };

/** Why words cannot be taken; thrown and caught in this file. */
class Malformed extends Error {}

const MOST_PORTS = 64;
const PORT_LIMIT = 65_536;
const WAYS: ReadonlyMap<string, Pick<Settings, 'sockmap' | 'peer'>> = new Map([
  ['sockmap', { sockmap: true, peer: false }],
  ['peer', { sockmap: false, peer: true }],
  ['both', { sockmap: true, peer: true }],
  ['none', { sockmap: false, peer: false }],
]);
const NONE = 'none';

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** Of an object as the API server has it, or as its author wrote it. */
export function wordsOf(object: unknown): Words {
  const { labels, annotations } = record(record(object).metadata);
  return { labels: record(labels), annotations: record(annotations) };
}

const textAt = (words: Readonly<Record<string, unknown>>, key: string): string | undefined => {
  const value = Object.hasOwn(words, key) ? words[key] : undefined;
  return typeof value === 'string' ? value : undefined;
};

function portOf(text: string, what: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : PORT_LIMIT;
  if (port >= PORT_LIMIT) throw new Malformed(`${what}: ${JSON.stringify(text)} is no port: give 1 to 65535`);
  return port;
}

function listener(text: string): { address: string; port: number } {
  const [, v6, v4, port = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(.*)$/.exec(text.trim()) ?? [];
  const address = v6 ?? v4 ?? '';
  if (v6 === undefined ? !isIPv4(address) : !isIPv6(address) || address.includes('%'))
    throw new Malformed(
      `${PROXY_ANNOTATION}: ${JSON.stringify(text)} is not ADDRESS:PORT, such as 127.0.0.1:15001 or [::1]:15001`,
    );
  if (/^[0.:]*$/.test(address))
    throw new Malformed(
      `${PROXY_ANNOTATION}: ${address} is no address to connect to: name the one on which the proxy is reached`,
    );
  return { address, port: portOf(port, PROXY_ANNOTATION) };
}

function portsOf(text: string): readonly number[] {
  const ports = text.split(',').map((part) => portOf(part.trim(), PROXY_PORTS_ANNOTATION));
  const once = [...new Set(ports)].sort((a, b) => a - b);
  if (once.length > MOST_PORTS)
    throw new Malformed(`${PROXY_PORTS_ANNOTATION}: ${once.length} ports, ${MOST_PORTS} at most: name fewer`);
  return once;
}

function proxyOf(proxy: string | undefined, ports: string | undefined): ProxySettings | undefined {
  if (proxy === undefined && ports !== undefined)
    throw new Malformed(`${PROXY_PORTS_ANNOTATION} has no proxy to give them to: add ${PROXY_ANNOTATION}`);
  if (proxy === undefined || proxy.trim() === NONE) return undefined;
  const listeners = proxy.split(',').map(listener);
  const of = (isFamily: (address: string) => boolean) => listeners.filter(({ address }) => isFamily(address));
  const [v4, v6] = [of(isIPv4), of(isIPv6)];
  if (v4.length > 1 || v6.length > 1)
    throw new Malformed(`${PROXY_ANNOTATION}: two addresses of one family: name one for IPv4 and one for IPv6`);
  const [first, second = first] = listeners;
  if (first?.port !== second?.port)
    throw new Malformed(`${PROXY_ANNOTATION}: its two addresses have different ports: let the proxy listen on one`);
  if (ports === undefined)
    throw new Malformed(`${PROXY_ANNOTATION} is given no ports: add ${PROXY_PORTS_ANNOTATION}, such as "80,8080"`);
  return { ipv4: v4[0]?.address, ipv6: v6[0]?.address, port: first!.port, ports: portsOf(ports) };
}

function waysOf(text: string | undefined): Pick<Settings, 'sockmap' | 'peer'> {
  const ways = WAYS.get(text ?? NONE);
  if (ways === undefined)
    throw new Malformed(`${REDIRECT_LABEL}: ${JSON.stringify(text)} is none of ${[...WAYS.keys()].join(', ')}`);
  return ways;
}

/** @param pod words of the pod; @param namespace of its namespace, for what the pod does not say */
export function readSettings(pod: Words, namespace: Words): Read {
  const label = textAt(pod.labels, REDIRECT_LABEL) ?? textAt(namespace.labels, REDIRECT_LABEL);
  const annotation = (key: string) => textAt(pod.annotations, key) ?? textAt(namespace.annotations, key);
  try {
    const proxy = proxyOf(annotation(PROXY_ANNOTATION), annotation(PROXY_PORTS_ANNOTATION));
    return { settings: { ...waysOf(label), proxy } };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { refusal: { reason: 'InvalidRedirect', message: error.message } };
  }
}

/** Whether nothing is asked for. */
export const isNothing = ({ sockmap, peer, proxy }: Settings): boolean => !sockmap && !peer && proxy === undefined;
