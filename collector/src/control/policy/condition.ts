/** What is said of an object that was read: honoured in full, taken with a doubt that is told, or refused whole. */

export interface Condition {
  readonly kind: string;
  /** Empty if it is the cluster's, or was not told. */
  readonly namespace: string;
  readonly name: string;
  readonly accepted: boolean;
  /** A code in CamelCase. */
  readonly reason: string;
  /** Cause and next step. */
  readonly message: string;
}

/** Why an object is refused; thrown inside the readers and caught at their door. */
export class Refusal extends Error {
  readonly reason: string;

  /**
   * @param path where the cause stands, as `spec.ingress[0]`; empty: the object itself
   * @param cause without full stop
   * @param next what whoever wrote the object can do, where the cause does not say so
   */
  constructor(reason: string, path: string, cause: string, next?: string) {
    super(`${path === '' ? '' : `${path}: `}${cause}${next === undefined ? '' : `: ${next}`}`);
    this.reason = reason;
  }
}
