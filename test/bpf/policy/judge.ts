/** The kernel's judge of HTTP heads, run on bytes of the test's choice. */
import { HTTP_JUDGEMENT } from '../../../bpf/dataplane/http_unit.gen.ts';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import type { Judgement } from '../../../collector/src/control/policy/http/judge.ts';
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

  /**
   * @param object path of the compiled judge
   * @param units most of them
   */
  constructor(object: string, units: number) {
    this.#object = openObject(object);
    for (const map of ['http_units', 'judgements']) this.#object.setMaxEntries(map, units);
    this.#object.load();
  }

  set(number: number, unit: HttpUnit): void {
    this.#object.map('http_units').update(u32(number), bytesOfUnit(unit));
  }

  #run(program: string, unit: number, begins: boolean, piece: Uint8Array, repeat = 1) {
    const data = Buffer.concat([Buffer.alloc(ETHERNET_BYTES), u32(unit), u32(Number(begins)), piece]);
    return this.#object.testRun(program, { data, repeat });
  }

  /** Reads a part of a head, or the first one of another. @returns bytes that were read */
  read(unit: number, begins: boolean, piece: Uint8Array): number {
    return this.#run('judge_head', unit, begins, piece).retval;
  }

  judgement(unit: number): Judgement {
    const bytes = this.#object.map('judgements').lookup(u32(unit));
    if (bytes === null) throw new Error(`no unit ${unit}`);
    return {
      entry: bytes.readUInt32LE(HTTP_JUDGEMENT.entry),
      seen: bytes.readInt32LE(HTTP_JUDGEMENT.seen),
      rules: bytes.readBigUInt64LE(HTTP_JUDGEMENT.rules),
      contentLength: bytes.readBigUInt64LE(HTTP_JUDGEMENT.content_length),
      bytes: bytes.readUInt32LE(HTTP_JUDGEMENT.bytes),
      verdict: bytes.readUInt8(HTTP_JUDGEMENT.http_judged),
      why: bytes.readUInt8(HTTP_JUDGEMENT.http_unjudged),
    };
  }

  /** Nanoseconds that a whole head takes, without what a run costs that judges nothing. */
  cost(unit: number, head: Uint8Array, repeat: number): number {
    const of = (program: string) => this.#run(program, unit, true, head, repeat).durationNs;
    return of('judge_head') - of('judge_nothing');
  }

  verifiedInstructions(): number {
    return this.#object.programStats().find(({ name }) => name === 'judge_head')?.verifiedInstructions ?? 0;
  }

  dispose(): void {
    this.#object.close();
  }
}
