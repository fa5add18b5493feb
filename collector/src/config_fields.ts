/** What the configuration's schema is made of: one maker per kind of key. */

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { array, boolean, integer, number, object, type SchemaNode, string } from './config_schema.ts';

export const MiB = 1024 ** 2;
export const GiB = 1024 ** 3;

/** What every key says of itself. */
export type KeyOptions = SchemaNode & { readonly description: string };

export const group = <P extends Readonly<Record<string, SchemaNode>>>(properties: P, description: string) =>
  object(properties, { description, default: {} });
export const text = (value: string, options: KeyOptions) => string({ default: value, ...options });
export const flag = (value: boolean, options: KeyOptions) => boolean({ default: value, ...options });
export const whole = (value: number, minimum: number, maximum: number, options: KeyOptions) =>
  integer({ default: value, minimum, maximum, ...options });
/** A number, not only whole ones. */
export const decimal = (value: number, minimum: number, maximum: number, options: KeyOptions) =>
  number({ default: value, minimum, maximum, ...options });
export const listen = (value: string, description: string) =>
  string({
    default: value,
    format: 'listen',
    allowed: 'address:port, such as 127.0.0.1:8123 or [::1]:0',
    description,
  });
export const url = (value: string, description: string) =>
  string({
    default: value,
    format: 'http-url',
    allowed: 'http:// or https:// URL without credentials',
    description,
  });
export const list = (options: KeyOptions) => array(string({ minLength: 1 }), { default: [], ...options });
export const token = () =>
  text('', { secret: true, description: 'Bearer token that every request must carry; empty: none is asked for.' });
export const insecure = (what: string) =>
  flag(false, { description: `Listen on other than loopback addresses although no ${what} is set.` });

const isHttpUrl = (value: string): boolean => {
  const parsed = URL.parse(value);
  return parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === '';
};
/** The formats that keys name, and what tells a value of them. */
export const FORMATS: Readonly<Record<string, (value: string) => boolean>> = {
  listen: (value) => parseListen(value) !== undefined,
  cidr: (value) => ipaddr.isValidCIDR(value),
  'http-url': isHttpUrl,
  'http-url-or-empty': (value) => value === '' || isHttpUrl(value),
};

/** Address and port of a `listen` value; undefined if it is none. Port 0 lets the system choose. */
export function parseListen(value: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) return undefined;
  return { host, port };
}
