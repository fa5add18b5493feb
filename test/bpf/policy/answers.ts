/** Answers as servers give them, whose ends are found in all the ways there are. */

const CHUNKS = '5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nTrailer: a\r\n\r\n';

/** By path: parts that are written one after the other, with pauses between them. */
export const ANSWERS: Record<string, readonly string[]> = {
  '/length': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
  '/slow': ['HTTP/1.1 200 OK\r\nContent-Le', 'ngth: 10\r\n\r\nhel', 'lo', 'hello'],
  '/chunked': [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`],
  '/slow-chunked': ['HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5', '\r\nhello\r', '\n0\r\n', '\r\n'],
  '/none': ['HTTP/1.1 204 No Content\r\n\r\n'],
  '/same': ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  '/early': ['HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  '/large': [`HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n${'x'.repeat(3_000_000)}`],
  '/half': ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'],
  '/endless': ['HTTP/1.1 200 OK\r\n\r\nhello'],
  '/odd': ['HTTP/1.1 200 OK\nContent-Length: 5\n\nhello'],
  '/two': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello'],
  '/switch': ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
};
