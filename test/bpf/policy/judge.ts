/** The kernel's reader of streams, which judges their heads, run on bytes of the test's choice. */
import { HTTP_FRAMES } from '../../../bpf/dataplane/http_unit.gen.ts';
import { type BpfMap, type BpfObject, openObject } from '../../../collector/native/addon.ts';
import type { Frames } from '../../../collector/src/control/policy/http/frames.ts';
import type { HttpUnit } from '../../../collector/src/control/policy/http/unit.ts';
import { bytesOfUnit } from '../../../collector/src/control/policy/http/unit_bytes.ts';
import { compileBpf } from './compile_bpf.ts';

const ETHERNET_BYTES = 14;

/** Bytes that the kernel takes in one test run. */
export const PIECE_MAX = 3000;

/** @returns the object's path */
export const compileJudge = (): string => compileBpf(new URL('judge.bpf.c', import.meta.url), 'http-judge');

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

export class KernelJudge {
  readonly #object: BpfObject;
  readonly #units: BpfMap;
  readonly #streams: BpfMap;

  /**
   * @param object path of the compiled judge
   * @param units most of them
   */
  constructor(object: string, units: number) {
    this.#object = openObject(object);
    for (const map of ['http_units', 'streams']) this.#object.setMaxEntries(map, units);
    this.#object.load();
    this.#units = this.#object.map('http_units');
    this.#streams = this.#object.map('streams');
  }

  set(number: number, unit: HttpUnit): void {
    this.#units.update(u32(number), bytesOfUnit(unit, number));
  }

  #run(program: string, unit: number, begins: boolean, piece: Uint8Array, repeat = 1) {
    const data = Buffer.concat([Buffer.alloc(ETHERNET_BYTES), u32(unit), u32(Number(begins)), piece]);
    return this.#object.testRun(program, { data, repeat });
  }

  /** Reads a part of a stream, or the first one of another. @returns bytes that were read */
  read(unit: number, begins: boolean, piece: Uint8Array): number {
    return this.#run('judge_stream', unit, begins, piece).retval;
  }

  frames(unit: number): Frames {
    const bytes = this.#streams.lookup(u32(unit));
    if (bytes === null) throw new Error(`no unit ${unit}`);
    return {
      judgement: {
        entry: bytes.readUInt32LE(HTTP_FRAMES.entry),
        seen: bytes.readInt32LE(HTTP_FRAMES.seen),
        rules: bytes.readBigUInt64LE(HTTP_FRAMES.rules),
        contentLength: bytes.readBigUInt64LE(HTTP_FRAMES.content_length),
        bytes: bytes.readUInt32LE(HTTP_FRAMES.bytes),
        verdict: bytes.readUInt8(HTTP_FRAMES.http_judged),
        why: bytes.readUInt8(HTTP_FRAMES.http_unjudged),
      },
      left: bytes.readBigUInt64LE(HTTP_FRAMES.left),
      heads: bytes.readUInt32LE(HTTP_FRAMES.heads),
      part: bytes.readUInt8(HTTP_FRAMES.http_part),
    };
  }

  /** Nanoseconds that a whole head takes, or a later part of a stream, without what a run costs that judges nothing. */
  cost(unit: number, piece: Uint8Array, repeat: number, begins = true): number {
    const of = (program: string) => this.#run(program, unit, begins, piece, repeat).durationNs;
    return of('judge_stream') - of('judge_nothing');
  }

  verifiedInstructions(): number {
    return this.#object.programStats().find(({ name }) => name === 'judge_stream')?.verifiedInstructions ?? 0;
  }

  dispose(): void {
    this.#object.close();
  }
}
