/** Lines and heads, read slowly and all at once: what reference.ts is made of. */

const LINE_MAX = 255;
const BLANKS_MAX = 8;
const HOST_MAX = 200;

/** Whether a framing line is longer than anybody needs it to be. */
export const isTooLong = (line: string): boolean => line.length >= LINE_MAX;

export interface Head {
  invalid: boolean;
  length: number | undefined;
  chunked: boolean;
  host: string | undefined;
  traceparent: string | undefined;
  truncated: boolean;
  /** Behind the empty line; undefined: it is not whole. */
  end: number | undefined;
}

export interface Line {
  readonly text: string;
  readonly next: number;
  readonly forbidden: boolean;
}

/** The line that begins at `at`, or undefined if it is not whole. */
export function lineAt(bytes: string, at: number): Line | undefined {
  const end = bytes.indexOf('\n', at);
  if (end < 0) return undefined;
  const text = bytes.slice(at, end > at && bytes[end - 1] === '\r' ? end - 1 : end);
  return { text, next: end + 1, forbidden: /[\r\0]/.test(text) };
}

/** Index of a NUL or of a CR that no LF follows, within the unfinished line at `at`. */
export function forbiddenIn(bytes: string, at: number): boolean {
  return /\0|\r[^\n]/.test(bytes.slice(at));
}

function trimmed(value: string): string | undefined {
  const leading = /^[ \t]*/.exec(value)?.[0].length ?? 0;
  const rest = value.slice(leading);
  const trailing = /[ \t]*$/.exec(rest)?.[0].length ?? 0;
  if (leading >= BLANKS_MAX || trailing >= BLANKS_MAX) return undefined;
  return rest.slice(0, rest.length - trailing);
}

function headerLine(head: Head, line: string, isRequest: boolean, version: number): boolean {
  const names = isRequest
    ? /^(content-length|transfer-encoding|host|traceparent)(.?)/is
    : /^(content-length|transfer-encoding)(.?)/is;
  const [, name, behind] = names.exec(line) ?? [];
  if (name === undefined) return false;
  if (behind !== ':') {
    if (behind === '' || behind === ' ' || behind === '\t') head.invalid = true;
    return false;
  }
  const value = trimmed(line.slice(name.length + 1));
  const framed = head.length !== undefined || head.chunked;
  switch (name.toLowerCase()) {
    case 'content-length':
      if (framed || value === undefined || !/^\d{1,18}$/.test(value) || isTooLong(line)) head.invalid = true;
      head.length = Number(value ?? 0);
      break;
    case 'transfer-encoding':
      if (framed || version !== 11 || value === undefined || !/(^|[, \t])chunked$/i.test(value)) head.invalid = true;
      if (isTooLong(line)) head.invalid = true;
      head.chunked = true;
      break;
    case 'host':
      head.host = head.host === undefined ? (value ?? '') : '';
      head.truncated ||= head.host.length > HOST_MAX;
      break;
    default:
      head.traceparent = head.traceparent === undefined ? (value ?? '') : '';
  }
  return true;
}

export function readHead(bytes: string, start: number, isRequest: boolean, version: number): Head {
  const head: Head = {
    invalid: false,
    length: undefined,
    chunked: false,
    host: undefined,
    traceparent: undefined,
    truncated: false,
    end: undefined,
  };
  let foldMatters = true;
  for (let at = start; ; ) {
    const line = lineAt(bytes, at);
    if (line === undefined) return head;
    at = line.next;
    if (line.forbidden) head.invalid = true;
    if (line.text === '') {
      head.end = at;
      return head;
    }
    if (/^[ \t]/.test(line.text)) {
      if (foldMatters) head.invalid = true;
      continue;
    }
    foldMatters = headerLine(head, line.text, isRequest, version);
  }
}
