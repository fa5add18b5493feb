/**
 * `refused_client.ts HOST PORT BYTES` waits for `ready`, sends a request of so many bytes, and prints as JSON what it received
 * behind that, how it ended, and milliseconds from the request to the first byte and to the end.
 */
import { connect } from 'node:net';

const [host, port, bytes] = process.argv.slice(2);
const socket = connect({ host, port: Number(port), noDelay: true });
let received = '';
let asked: number | undefined;
let answeredMs: number | undefined;
let end = 'end';

socket.on('data', (chunk: Buffer) => {
  if (asked !== undefined) {
    answeredMs ??= performance.now() - asked;
    received += chunk.toString('latin1');
    return;
  }
  asked = performance.now();
  socket.write('GET / HTTP/1.1\r\nHost: h\r\n'.padEnd(Number(bytes), 'x'));
});
socket.on('error', (error: NodeJS.ErrnoException) => {
  end = error.code ?? '';
});
socket.on('close', () => {
  const endedMs = performance.now() - (asked ?? 0);
  process.stdout.write(JSON.stringify({ received, end, answeredMs, endedMs }));
});
