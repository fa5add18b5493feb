/** What the kernel does with a unit (bpf/http_judge.bpf.h), in TypeScript. */
import { ENUMS } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import { FIELD, FIELDS_MAX } from './fields.ts';
import { GROUPS } from './head_grammar.ts';
import type { HttpUnit } from './unit.ts';
import { JUDGED, UNJUDGED } from './verdict.ts';

const { place_mask: PLACE_MASK, group_shift: GROUP_SHIFT, action_shift: ACTION_SHIFT } = ENUMS.http_entry;
const { head_bytes: HEAD_BYTES } = ENUMS.http_limit;

/** A chunk whose size has a digit more behind so many bits is larger than any: readers differ in where they give up. */
const CHUNK_SIZE_BITS = 52n;

/** How far a head was read. */
export interface Judgement {
  /** The entry that led to the state. */
  entry: number;
  /** Bits of the fields. */
  seen: number;
  /** Rules that are left; when the verdict is `allowed`, those that allow the request. */
  rules: bigint;
  /** Behind the head: size of the chunk. */
  contentLength: bigint;
  /** Bytes of the head, of what stands between two chunks, or of trailers. */
  bytes: number;
  verdict: number;
  /** Of UNJUDGED. */
  why: number;
}

export function begin(unit: HttpUnit): Judgement {
  return { entry: 0, seen: 0, rules: unit.rules, contentLength: 0n, bytes: 0, verdict: JUDGED.none, why: 0 };
}

export const sees = ({ seen }: Judgement, field: number): boolean => ((seen >>> field) & 1) === 1;

function leave(judgement: Judgement, why: number): void {
  judgement.verdict = JUDGED.unjudged;
  judgement.why = why;
}

/** Why a whole head cannot be judged; `none` if it can. */
function doubtOf({ demanded }: HttpUnit, judgement: Judgement): number {
  const isNew = sees(judgement, FIELD.version_1_1);
  if (isNew && (demanded & ~judgement.seen) !== 0) return UNJUDGED.host;
  const isChunked = sees(judgement, FIELD.transfer_encoding);
  return isChunked && (!isNew || sees(judgement, FIELD.content_length)) ? UNJUDGED.framing : UNJUDGED.none;
}

/** Which rules allow it. */
function conclude(unit: HttpUnit, judgement: Judgement): void {
  for (let field = 0; field < FIELDS_MAX; field += 1)
    if (!sees(judgement, field)) judgement.rules &= unit.absent[field]!;
  judgement.verdict = judgement.rules === 0n ? JUDGED.denied : JUDGED.allowed;
}

function act(unit: HttpUnit, judgement: Judgement, byte: number): void {
  const action = unit.actions[unit.transitions[judgement.entry & PLACE_MASK]!]!;
  switch (action.kind) {
    case 'field':
      if (sees(judgement, action.field)) leave(judgement, UNJUDGED.duplicate);
      for (const field of [action.field, ...action.also]) judgement.seen |= 1 << field;
      judgement.rules &= action.rules;
      break;
    case 'digit':
      judgement.contentLength = BigInt.asUintN(64, judgement.contentLength * 10n + BigInt(byte - 48));
      break;
    case 'end': {
      const doubt = doubtOf(unit, judgement);
      if (doubt === UNJUDGED.none) conclude(unit, judgement);
      else leave(judgement, doubt);
      break;
    }
    case 'unjudged':
      leave(judgement, action.why);
      break;
    case 'chunk_digit':
      if (judgement.contentLength >> CHUNK_SIZE_BITS !== 0n) leave(judgement, UNJUDGED.chunk);
      judgement.contentLength = judgement.contentLength * 16n + BigInt(Number.parseInt(String.fromCharCode(byte), 16));
      break;
    case 'chunk':
      judgement.verdict = JUDGED.chunk;
      break;
    case 'over':
      judgement.verdict = JUDGED.over;
  }
}

/** Reads on. @returns bytes that were read: all of them, or up to and with the one behind which something is said */
export function read(unit: HttpUnit, judgement: Judgement, bytes: Uint8Array): number {
  for (let index = 0; index < bytes.length; index += 1) {
    if (judgement.verdict !== JUDGED.none) return index;
    if (judgement.bytes === HEAD_BYTES) {
      leave(judgement, UNJUDGED.too_long);
      return index;
    }
    const byte = bytes[index]!;
    const group = ((judgement.entry >>> GROUP_SHIFT) & 63) / 8;
    judgement.entry = unit.transitions[(judgement.entry & PLACE_MASK) + unit.classOf[byte * GROUPS + group]!]!;
    judgement.bytes += 1;
    if (judgement.entry >>> ACTION_SHIFT === 1) act(unit, judgement, byte);
  }
  return bytes.length;
}
