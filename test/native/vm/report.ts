/** What is told of a machine, one line of text each, behind a mark. */

/** Begins the line of a whole machine: a `Report`. */
export const REPORT_MARK = 'FLOWSPAN-REPORT ';
/** Begins the line of a machine that is not as it should be: a `Refusal`. */
export const REFUSAL_MARK = 'FLOWSPAN-REFUSAL ';

/** One program on one kernel. */
export interface ProgramReport {
  readonly name: string;
  readonly attached: boolean;
  /** Why it is not attached; empty if it is. */
  readonly reason: string;
  /** Instructions the verifier walked; 0 if it was not loaded. */
  readonly verifiedInstructions: number;
}

/** What came of attaching every program and of some traffic. */
export interface Report {
  readonly kernel: string;
  /** Empty when the programs were attached. */
  readonly error: string;
  /** The last lines of the verifier, when there was an error. */
  readonly log: string;
  readonly programs: readonly ProgramReport[];
  /** Of the data plane. */
  readonly dataplane: readonly ProgramReport[];
  /** Records by what they tell, as `recordName` calls it. */
  readonly records: Readonly<Record<string, number>>;
  /** Code and error number of what connection tracking said; empty if it is there. */
  readonly conntrack: string;
  /** How many addresses found no room in the kernel's table. */
  readonly homeless: number;
  /** Records that carry the endpoint of their other end. */
  readonly stamped: number;
}

/** What the collector says of a machine on which something is missing. */
export interface Refusal {
  /** What is missing, as init.c calls it. */
  readonly machine: string;
  /** Code of the error that ended the start; empty where it would go on. */
  readonly code: string;
  readonly message: string;
  /** What will be missing, where the start would go on. */
  readonly missing: string;
}

/** Every line of `output` behind a mark, read. */
export function linesBehind<T>(mark: string, output: string): T[] {
  return output
    .split('\n')
    .filter((line) => line.includes(mark))
    .map((line) => JSON.parse(line.slice(line.indexOf(mark) + mark.length)) as T);
}
