/** What nginx's access log and the kernel's rows say of the same connection. */
import type { Seen } from '../../bpf/http/watch.ts';
import type { AccessLogEntry } from '../../support/nginx.ts';

/** Bytes of a target and of a host that the kernel keeps. */
const TARGET_MAX = 704;
const HOST_MAX = 200;

/** A request in the words of both. */
interface Told {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

const FIELDS = ['method', 'target', 'host', 'status', 'requestBytes', 'responseBytes'] as const;

export function toldByNginx(entry: AccessLogEntry): Told {
  return {
    method: entry.method,
    target: entry.uri.slice(0, TARGET_MAX),
    host: entry.host.slice(0, HOST_MAX),
    status: entry.status,
    requestBytes: entry.request_length,
    responseBytes: entry.bytes_sent,
  };
}

export function toldByKernel({ method, target, host, status, requestBytes, responseBytes }: Seen): Told {
  return { method, target, host, status, requestBytes, responseBytes };
}

/** Differences that are right wherever they occur. */
interface Rule {
  readonly reason: string;
  applies(field: string, nginx: Told | undefined, kernel: Told | undefined, before: Told | undefined): boolean;
}

const isRefusal = (told: Told | undefined): boolean => told !== undefined && told.status >= 400;

const RULES: readonly Rule[] = [
  {
    reason: 'nginx stops reading where it refuses, and logs what it had read by then; the client had sent more',
    applies: (field, nginx, kernel) =>
      isRefusal(nginx) &&
      nginx?.status === kernel?.status &&
      (field === 'requestBytes' || (field !== 'status' && nginx?.[field as keyof Told] === '')),
  },
  {
    reason: 'nginx answers what is no HTTP/1 request with an error; no request, no row',
    applies: (field, nginx) => field === 'nginx alone' && isRefusal(nginx),
  },
  {
    reason: 'nginx closes behind a refusal: what the client sent behind it was never answered, nor logged',
    applies: (field, _nginx, kernel, before) => field === 'kernel alone' && kernel?.status === 0 && isRefusal(before),
  },
];

/**
 * Every difference that no rule explains, one line each. `nginx alone: 400`: a request that only nginx tells, with its
 * status; `kernel alone: 0`: one that only the kernel tells; a field's name with nginx's value and the kernel's where
 * they differ.
 */
export function differencesOf(nginx: readonly Told[], kernel: readonly Told[]): string[] {
  const lines: string[] = [];
  for (let index = 0; index < Math.max(nginx.length, kernel.length); index += 1) {
    const [one, other, before] = [nginx[index], kernel[index], kernel[index - 1]];
    const note = (field: string, line: string) => {
      if (!RULES.some((rule) => rule.applies(field, one, other, before))) lines.push(line);
    };
    if (other === undefined) note('nginx alone', `nginx alone: ${one?.status}`);
    else if (one === undefined) note('kernel alone', `kernel alone: ${other.status}`);
    else
      for (const field of FIELDS)
        if (one[field] !== other[field]) note(field, `${field}: ${one[field]} / ${other[field]}`);
  }
  return lines;
}
