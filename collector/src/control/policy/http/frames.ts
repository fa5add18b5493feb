/** What the kernel does with a stream of messages (bpf/http_frames.bpf.h), in TypeScript. */
import { ENUMS } from '../../../../../bpf/dataplane/http_unit.gen.ts';
import { FIELD } from './fields.ts';
import { begin, type Judgement, read, sees } from './judge.ts';
import type { HttpUnit } from './unit.ts';
import { JUDGED } from './verdict.ts';

/** What comes next in a stream. The words are those of bpf/dataplane/http_frames.h, where they are explained. */
export const PART = ENUMS.http_part;

/** Where one direction of a connection stands. */
export interface Frames {
  /** Of the head that is being read, or was read last. */
  judgement: Judgement;
  /** Bytes of the body, or of the chunk, that follow. */
  left: bigint;
  /** Heads that were read and looked at. */
  heads: number;
  /** Of PART. */
  part: number;
}

export function beginFrames(unit: HttpUnit): Frames {
  return { judgement: begin(unit), left: 0n, heads: 0, part: PART.head };
}

function end(unit: HttpUnit, frames: Frames): void {
  frames.part = sees(frames.judgement, FIELD.upgrade) ? PART.upgrade : PART.head;
  frames.judgement = begin(unit);
}

/** The request for an upgrade was answered: with 101, or otherwise. */
export function upgradeFrames(frames: Frames, switches: boolean): void {
  frames.part = switches ? PART.opaque : PART.head;
}

/** A head was looked at, and let by. */
function follow(unit: HttpUnit, frames: Frames): void {
  const { judgement } = frames;
  frames.heads += 1;
  judgement.verdict = JUDGED.none;
  judgement.bytes = 0;
  frames.left = judgement.contentLength;
  judgement.contentLength = 0n;
  if (sees(judgement, FIELD.transfer_encoding)) frames.part = PART.chunked;
  else if (frames.left > 0n) frames.part = PART.body;
  else end(unit, frames);
}

/** Reads on in the body or the chunk. @returns bytes of it that are here */
function passBody(unit: HttpUnit, frames: Frames, here: number): number {
  const bytes = frames.left < BigInt(here) ? Number(frames.left) : here;
  frames.left -= BigInt(bytes);
  if (frames.left === 0n && frames.part === PART.body) end(unit, frames);
  return bytes;
}

/**
 * Reads on.
 * @returns bytes that were read: it stops behind a head, where something is not judged, and behind a request for an upgrade
 */
export function readFrames(unit: HttpUnit, frames: Frames, bytes: Uint8Array): number {
  const { verdict } = frames.judgement;
  if (verdict === JUDGED.unjudged) return 0;
  if (verdict !== JUDGED.none) follow(unit, frames);
  if (frames.part === PART.opaque) return bytes.length;
  let at = 0;
  while (at < bytes.length && frames.part !== PART.upgrade) {
    if (frames.left > 0n) {
      at += passBody(unit, frames, bytes.length - at);
      continue;
    }
    at += read(unit, frames.judgement, bytes.subarray(at));
    const { judgement } = frames;
    switch (judgement.verdict) {
      case JUDGED.none:
        break;
      case JUDGED.chunk:
        frames.left = judgement.contentLength;
        Object.assign(judgement, { contentLength: 0n, bytes: 0, verdict: JUDGED.none });
        break;
      case JUDGED.over:
        end(unit, frames);
        break;
      case JUDGED.unjudged:
        return at;
      default:
        return at;
    }
  }
  return at;
}
