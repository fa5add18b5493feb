/**
 * The first query of clickhouse-go over HTTP. It is decoded at the revision the client speaks, later answers at the
 * revision we name: 0 is the Native format as the engine writes it, without the block info of later protocols.
 */

const HELLO = /^\s*SELECT\s+displayName\(\)\s*,\s*version\(\)\s*,\s*revision\(\)\s*,\s*timezone\(\)\s*;?\s*$/i;

/** First revision of ClickHouse's protocol at which a Native block begins with block info. */
const BLOCK_INFO_REVISION = 51903;
/** First at which every column has a byte that says whether its serialization is a custom one. */
const CUSTOM_SERIALIZATION_REVISION = 54454;

/** Whether the statement is that query. */
export function isHello(sql: string): boolean {
  return HELLO.test(sql);
}

/** Its answer as one Native block for a client of that revision. */
export function helloBlock(clientRevision: number, displayName: string, version: string, timezone: string): Buffer {
  const revision = Buffer.alloc(4);
  const columns: [string, string, Buffer][] = [
    ['displayName()', 'String', text(displayName)],
    ['version()', 'String', text(version)],
    ['revision()', 'UInt32', revision],
    ['timezone()', 'String', text(timezone)],
  ];
  const custom = clientRevision >= CUSTOM_SERIALIZATION_REVISION ? [Buffer.of(0)] : [];
  return Buffer.concat([
    ...(clientRevision >= BLOCK_INFO_REVISION ? [Buffer.from('010002ffffffff00', 'hex')] : []),
    Buffer.of(columns.length, 1),
    ...columns.flatMap(([name, type, value]) => [text(name), text(type), ...custom, value]),
  ]);
}

/** A String of fewer than 128 bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value).subarray(0, 127);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}
