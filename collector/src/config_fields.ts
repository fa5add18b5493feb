/** What the configuration's schema is made of: one maker per kind of key. */

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import Type, { type TProperties } from 'typebox';
import Format from 'typebox/format';

export const MiB = 1024 ** 2;
export const GiB = 1024 ** 3;

/** What Flowspan's own tools read beside the words of JSON Schema. */
export interface KeyOptions {
  readonly description: string;
  /** Unit of a number; keys in bytes also take text such as `10GiB`. */
  readonly unit?: 'bytes' | 's' | 'ms' | 'days' | 'rows' | 'count' | '%';
  /** Never printed, not even in an error. */
  readonly secret?: true;
  /** A running collector takes a change of it on SIGHUP; any other key needs a restart. */
  readonly reloadable?: true;
}

export const group = <T extends TProperties>(properties: T, description: string) =>
  Type.Object(properties, { description, default: {}, additionalProperties: false });
export const text = (value: string, options: KeyOptions) => Type.String({ default: value, ...options });
export const flag = (value: boolean, options: KeyOptions) => Type.Boolean({ default: value, ...options });
export const whole = (value: number, minimum: number, maximum: number, options: KeyOptions) =>
  Type.Integer({ default: value, minimum, maximum, ...options });
/** A number, not only whole ones. */
export const decimal = (value: number, minimum: number, maximum: number, options: KeyOptions) =>
  Type.Number({ default: value, minimum, maximum, ...options });
export const listen = (value: string, description: string) =>
  Type.String({
    default: value,
    format: 'listen',
    allowed: 'address:port, such as 127.0.0.1:8123 or [::1]:0',
    description,
  });
export const url = (value: string, description: string) =>
  Type.String({
    default: value,
    format: 'http-url',
    allowed: 'http:// or https:// URL without credentials',
    description,
  });
export const list = (options: KeyOptions) => Type.Array(Type.String({ minLength: 1 }), { default: [], ...options });
export const token = () =>
  text('', { secret: true, description: 'Bearer token that every request must carry; empty: none is asked for.' });
export const insecure = (what: string) =>
  flag(false, { description: `Listen on other than loopback addresses although no ${what} is set.` });

Format.Set('listen', (value) => parseListen(value) !== undefined);
Format.Set('cidr', (value) => ipaddr.isValidCIDR(value));
const isHttpUrl = (value: string): boolean => {
  const parsed = URL.parse(value);
  return parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === '';
};
Format.Set('http-url', isHttpUrl);
Format.Set('http-url-or-empty', (value) => value === '' || isHttpUrl(value));

/** Address and port of a `listen` value; undefined if it is none. Port 0 lets the system choose. */
export function parseListen(value: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) return undefined;
  return { host, port };
}
