/** The table that reads responses: it tells where they end, and nothing else of them. */
import { FIELD, type Field, fieldOf, WELL_FORMED } from './fields.ts';
import { type HttpUnit, unitOf } from './unit.ts';

/** The same one whatever the policies are. */
export function responseUnit(): HttpUnit {
  const fields: (Field | undefined)[] = [];
  fields[FIELD.content_length] = fieldOf(FIELD.content_length, 'content-length', [], WELL_FORMED.content_length);
  fields[FIELD.transfer_encoding] = fieldOf(
    FIELD.transfer_encoding,
    'transfer-encoding',
    [],
    WELL_FORMED.transfer_encoding,
  );
  const unit = unitOf(Array.from(fields), 1, 'response');
  if (unit === undefined) throw new Error('the table of responses does not fit');
  return unit;
}
