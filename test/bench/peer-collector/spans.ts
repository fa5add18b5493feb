/**
 * Requests as spans: the very bytes that a collector sends to an OTLP endpoint, taken down once and sent again as often as
 * asked. As a program: spans.ts FILE PORT TIMES.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request as open } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { run } from '../../../deploy/lab/program.ts';
import { pinned } from '../kit/cpu.ts';

const FILE = fileURLToPath(import.meta.url);
/** As many as a collector has exports in flight. */
const CONNECTIONS = 4;
const TIMEOUT_MS = 60_000;
const LENGTH_BYTES = 4;

/** An OTLP endpoint that writes down what it gets, uncompressed protobuf. */
export interface Recording {
  readonly endpoint: string;
  /** Spans so far. */
  readonly spans: number;
  /** @returns a file of all requests' bodies, each with its length in front of it */
  end(): Promise<string>;
}

/** Starts it. */
export async function record(): Promise<Recording> {
  const bodies: Buffer[] = [];
  let spans = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      bodies.push(body);
      spans += spansIn(body);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get spans() {
      return spans;
    },
    async end() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      const file = join(temporaryFolder(), 'spans');
      writeFileSync(file, Buffer.concat(bodies.flatMap((body) => [lengthOf(body), body])));
      return file;
    },
  };
}

function lengthOf(body: Buffer): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES);
  bytes.writeUInt32BE(body.length);
  return bytes;
}

/** Bodies of a file of that kind; OpenTelemetry's file exporter writes its binary form so too. */
export function bodiesOf(bytes: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
    bodies.push(bytes.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return bodies;
}

const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];
/** Field numbers of TracesData, ResourceSpans and ScopeSpans that lead to a span. */
const TO_SPANS = [1, 2, 2];

/** Spans in an export request, or in what the file exporter makes of it. */
export function spansIn(body: Uint8Array, level = 0): number {
  if (level === TO_SPANS.length) return 1;
  let [at, spans] = [0, 0];
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = body[at++] as number;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < body.length) {
    const key = varint();
    const type = key & 7;
    if (type === VARINT) varint();
    else if (type === FIXED64 || type === FIXED32) at += type === FIXED64 ? 8 : 4;
    else if (type === BYTES) {
      const length = varint();
      if (key >> 3 === TO_SPANS[level]) spans += spansIn(body.subarray(at, at + length), level + 1);
      at += length;
    } else throw new Error(`FLOW_BENCH_SPANS: wire type ${type} in a protobuf message`);
  }
  return spans;
}

/** Sends all bodies of the file, so many times over; resolves when all were acknowledged. */
export async function feed(file: string, port: number, times: number, cores: string): Promise<void> {
  await run({}, pinned(cores, [process.execPath, FILE, file, String(port), String(times)]), TIMEOUT_MS);
}

async function main(file: string, port: number, times: number): Promise<void> {
  const bodies = bodiesOf(readFileSync(file));
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const options = { port, path: '/v1/traces', method: 'POST', agent };
  const post = (body: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
      const request = open({ ...options, headers }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
        response.resume().on('end', resolve);
      });
      request.on('error', reject).end(body);
    });
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < bodies.length * times) await post(bodies[next++ % bodies.length] as Buffer);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  agent.destroy();
}

if (process.argv[1] === FILE) {
  await main(process.argv[2] as string, Number(process.argv[3]), Number(process.argv[4]));
}
