/** A unit as the kernel reads it: struct http_unit. */
import { ENUMS, HTTP_ACTION, HTTP_UNIT } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import type { HttpUnit } from './unit.ts';

/** The value of a map. @param number by which it is asked for */
export function bytesOfUnit(unit: HttpUnit, number: number): Buffer {
  const bytes = Buffer.alloc(HTTP_UNIT.size);
  bytes.writeUInt32LE(number, HTTP_UNIT.number);
  bytes.set(unit.classOf, HTTP_UNIT.classes);
  for (const [index, action] of unit.actions.entries()) {
    const at = HTTP_UNIT.actions + index * HTTP_ACTION.size;
    bytes.writeUInt8(ENUMS.http_action_kind[action.kind], at + HTTP_ACTION.http_action_kind);
    if (action.kind === 'field') {
      bytes.writeUInt8(action.field, at + HTTP_ACTION.http_field);
      bytes.writeBigUInt64LE(action.rules, at + HTTP_ACTION.rules);
      bytes.writeUInt32LE(
        action.also.reduce((bits, field) => bits | (1 << field), 0),
        at + HTTP_ACTION.also,
      );
    }
    if (action.kind === 'unjudged') bytes.writeUInt8(action.why, at + HTTP_ACTION.http_unjudged);
  }
  for (const [field, rules] of unit.absent.entries()) bytes.writeBigUInt64LE(rules, HTTP_UNIT.absent + field * 8);
  bytes.writeBigUInt64LE(unit.rules, HTTP_UNIT.rules);
  bytes.writeUInt32LE(unit.demanded, HTTP_UNIT.demanded);
  for (const [index, entry] of unit.transitions.entries())
    bytes.writeUInt32LE(entry, HTTP_UNIT.transitions + index * 4);
  return bytes;
}
