/** ClickHouse's errors by number: as the engine throws them, as the front throws them, as HTTP tells them. */

/** ClickHouse's names of the codes the front itself answers with. */
const NAMES: Readonly<Record<number, string>> = {
  36: 'BAD_ARGUMENTS',
  48: 'NOT_IMPLEMENTED',
  62: 'SYNTAX_ERROR',
  115: 'UNKNOWN_SETTING',
  159: 'TIMEOUT_EXCEEDED',
  164: 'READONLY',
  202: 'TOO_MANY_SIMULTANEOUS_QUERIES',
  210: 'NETWORK_ERROR',
  236: 'ABORTED',
  241: 'MEMORY_LIMIT_EXCEEDED',
  354: 'ZLIB_INFLATE_FAILED',
  394: 'QUERY_WAS_CANCELLED',
  497: 'ACCESS_DENIED',
  516: 'AUTHENTICATION_FAILED',
  1002: 'UNKNOWN_EXCEPTION',
};

/** HTTP status by ClickHouse code, as ClickHouse's own HTTP handler has it; 500 for what is not here. */
const STATUS: ReadonlyMap<number, number> = new Map(
  Object.entries({
    400: [6, 26, 27, 36, 38, 41, 43, 44, 53, 57, 62, 69, 70, 72, 80, 131, 349, 354, 456, 457],
    403: [164, 192, 193, 497, 516],
    404: [46, 47, 50, 56, 60, 63, 73, 81, 115, 118],
    408: [159],
    413: [307, 396],
    429: [202],
    501: [48],
    503: [76, 209, 236, 439],
  }).flatMap(([status, codes]) => codes.map((code) => [code, Number(status)] as const)),
);

/** An error with ClickHouse's number. */
export class EngineError extends Error {
  readonly code: number;

  /** @param message what happened and what to do, without ClickHouse's `Code: … DB::Exception:` around it */
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }

  /** The HTTP status it is answered with. */
  get status(): number {
    return STATUS.get(this.code) ?? 500;
  }

  /** As ClickHouse prints it. */
  text(version: string): string {
    const name = / \([A-Z_]+\)$/.test(this.message) ? '' : ` (${NAMES[this.code] ?? 'UNKNOWN_EXCEPTION'})`;
    return `Code: ${this.code}. DB::Exception: ${this.message}${name} (version ${version})\n`;
  }

  /** What the engine threw, whatever it wrapped it in. */
  static from(cause: unknown): EngineError {
    if (cause instanceof EngineError) return cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    const [, code, message] = /^(?:Code: (\d+)\. DB::Exception: )([\s\S]*)$/.exec(text) ?? [];
    if (code === undefined || message === undefined) return new EngineError(1002, text, { cause });
    const inner = /^Code: (\d+)\. DB::Exception: ([\s\S]*?)(?: \(version [^)]*\))?\.?(?: \([A-Z_]+\))?$/.exec(message);
    return new EngineError(Number(inner?.[1] ?? code), (inner?.[2] ?? message).trimEnd(), { cause });
  }
}
