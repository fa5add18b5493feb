/** What a view is made of. */

/** A view; one that is fed by inserts if `into` names a table. */
export interface View {
  readonly name: string;
  readonly doc: string;
  /** Table whose inserts feed it and table it writes to, for a materialized view. */
  readonly feed?: { readonly from: string; readonly into: string };
  /** Its SELECT; tables are named with the database given. */
  readonly select: (database: string) => string;
}
