/** What the API server answers when it does not do what was asked. */
import { FlowspanError } from '../../../../store/errors.ts';

/** The parts of a Status object that are read. Everything comes from the wire. */
interface Status {
  readonly code?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown; readonly causes?: unknown } | null;
}

const NEXT_STEPS: Readonly<Record<number, string>> = {
  401: 'check the kubeconfig or the service account token',
  403: "grant the collector's role what deploy/ lists",
  404: 'check that the API server serves this resource',
};

/** An answer that is not what was asked for, by HTTP status or as an ERROR event. */
export class ApiFailure extends FlowspanError {
  /** HTTP status, or the code of the Status object. */
  readonly status: number;
  readonly reason: string;
  /** The time the server asks to be left alone, milliseconds; 0 if it does not ask. */
  readonly retryAfterMs: number;

  constructor(path: string, status: number, reason: string, message: string, retryAfterMs: number) {
    const next = NEXT_STEPS[status] ?? 'it is asked again later';
    super('FLOW_KUBERNETES_ANSWER', `${path} is answered with ${status} ${reason} (${message.slice(0, 300)}): ${next}`);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** The version asked from is not there (any more, or after a restored backup: not yet): only a new list helps. */
  get gone(): boolean {
    return this.status === 410 || this.reason === 'Expired' || this.reason === 'ResourceVersionTooLarge';
  }

  /**
   * The server does not do streaming lists: 400 or 422 where the feature is off, and where its etcd is too old, an
   * ERROR event with code 500.
   */
  get refusesStreaming(): boolean {
    return [400, 405, 422, 500, 501].includes(this.status) && this.retryAfterMs === 0;
  }
}

/**
 * @param status a Status object, or whatever came in its place
 * @param httpStatus the answer's status; 200 for an ERROR event
 * @param retryAfter header Retry-After, in seconds
 */
export function apiFailure(path: string, status: unknown, httpStatus: number, retryAfter?: string): ApiFailure {
  const { code, reason, message, details } = (typeof status === 'object' && status !== null ? status : {}) as Status;
  const tooLarge =
    Array.isArray(details?.causes) &&
    details.causes.some((cause: { reason?: unknown } | null) => cause?.reason === 'ResourceVersionTooLarge');
  const seconds = Number(retryAfter ?? details?.retryAfterSeconds ?? 0);
  return new ApiFailure(
    path,
    httpStatus !== 200 ? httpStatus : typeof code === 'number' ? code : 500,
    tooLarge ? 'ResourceVersionTooLarge' : typeof reason === 'string' ? reason : '',
    typeof message === 'string' ? message : 'no reason given',
    seconds > 0 && Number.isFinite(seconds) ? seconds * 1000 : 0,
  );
}
