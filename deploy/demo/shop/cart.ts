/** The cart: keeps in redis what somebody is about to buy. Usage: cart.ts BEHAVIOUR REDIS-ADDRESS */
import { connect } from 'node:net';
import { serve } from './service.ts';

const REDIS_PORT = 6379;

/** One connection to redis, for one question at a time; each answer here is one line. */
class Connection {
  readonly #socket;
  #answered: (line: string) => void = () => {};

  constructor(host: string) {
    let rest = '';
    this.#socket = connect({ host, port: REDIS_PORT, noDelay: true });
    this.#socket.setEncoding('utf8').on('data', (text) => {
      rest += text;
      if (!rest.endsWith('\r\n')) return;
      this.#answered(rest);
      rest = '';
    });
    this.#socket.unref();
  }

  /** Adds one to a key and resolves with its new value. */
  increment(key: string): Promise<number> {
    this.#socket.write(`*2\r\n$4\r\nINCR\r\n$${key.length}\r\n${key}\r\n`);
    return new Promise((resolve) => {
      this.#answered = (line) => resolve(Number.parseInt(line.slice(1), 10));
    });
  }
}

const redis = process.argv[3] as string;
const idle: Connection[] = [];

serve(async ({ pathname }) => {
  const connection = idle.pop() ?? new Connection(redis);
  const cups = await connection.increment(pathname.replaceAll('/', ':'));
  idle.push(connection);
  return { status: 200, body: JSON.stringify({ cups, cents: cups * 1900 }) };
});
