/** Why an object is refused: what its reader throws. */
export class Refused extends Error {
  /** CamelCase code. */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
