/** What became of an object that was given to us. */
export interface Condition {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly accepted: boolean;
  /** CamelCase code. */
  readonly reason: string;
  /** Cause and next step; empty if there is nothing to say. */
  readonly message: string;
}

/** Why an object is refused: what its reader throws. */
export class Refused extends Error {
  readonly reason: string;

  /** @param reason CamelCase code */
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
