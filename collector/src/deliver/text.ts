/**
 * Strings as RowBinary has them: their length in bytes as a varint, then the bytes. In memory of their own, because most
 * are kept: a few bytes of Node's shared pool hold on to 64 KiB of it.
 */
export function rowText(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head: number[] = [];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  head.push(rest);
  const bytes = Buffer.allocUnsafeSlow(head.length + length);
  bytes.set(head);
  bytes.write(text, head.length);
  return bytes;
}
