/** What is said of a request's head. The words are those of bpf/dataplane/http_unit.h, where they are explained. */
import { ENUMS } from '../../../../../bpf/dataplane/http_unit.gen.ts';

/** Why a head is not judged: readers might read it differently. */
export const UNJUDGED = ENUMS.http_unjudged;
export type Unjudged = keyof typeof UNJUDGED;

/** What is said of a head, and that a chunk follows or the message is over; none while what is being read goes on. */
export const JUDGED = ENUMS.http_judged;

/** What is to be done when a state of a head's machine is come to. */
export type Action =
  /** A field is over: of the rules that are left, those of the set still are. Other fields may be seen with it. */
  | { readonly kind: 'field'; readonly field: number; readonly rules: bigint; readonly also: readonly number[] }
  /** A digit of Content-Length was read. */
  | { readonly kind: 'digit' }
  | { readonly kind: 'end' }
  /** A digit of a chunk's size was read; the chunk follows; all chunks and trailers were read. */
  | { readonly kind: 'chunk_digit' | 'chunk' | 'over' }
  | { readonly kind: 'unjudged'; readonly why: number };
