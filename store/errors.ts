/** Errors of this room: each has a code, and a message with cause and next step. */

/** An error with a code of the form FLOW_<AREA>_<WHAT>. */
export class FlowspanError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A row or a column that does not fit its table. */
export class ColumnError extends FlowspanError {}

/** A schema that could not be brought to what tables.ts says. */
export class MigrationError extends FlowspanError {}
