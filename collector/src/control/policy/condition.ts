/** What is said of an object that was read: honoured in full, taken with a doubt that is told, or refused whole. */

export type { Condition } from '../objects/source.ts';

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
