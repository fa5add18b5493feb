/** What TCP did to a request as events of its span, and where such events are kept until then. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Arena } from '../../collector/src/batch/arena.ts';
import { connectionHash, RecentEvents } from '../../collector/src/deliver/spans/recent_events.ts';
import { connection, record } from './support/records.ts';
import { CLIENT, END_NS, type Row, SERVER, spanOf } from './support/span_rows.ts';

describe('events', () => {
  const retransmit: Row = {
    time: END_NS - 1_000_000n,
    socket_cookie: 8n,
    observation_point: 'server',
    event_kind: 'retransmit',
    retransmit_cause: 'timeout',
    sent_by: 'server',
    segments: 2,
    sequence_begin: 5100,
    sequence_end: 6000,
  };
  const namesOf = (row: Row, events: readonly Row[]) =>
    spanOf(row, events)
      .events.map(({ name }) => name)
      .filter((name) => name === 'retransmit' || name.startsWith('reset'));

  it('tell both ends of bytes of the exchange that were sent again, in order of time', () => {
    for (const row of [CLIENT, SERVER]) {
      const event = spanOf(row, [retransmit]).events.find(({ name }) => name === 'retransmit');
      assert.deepEqual(event?.attributes, {
        'flowspan.sent_by': 'server',
        'flowspan.segments': 2,
        'flowspan.retransmit_cause': 'timeout',
      });
      assert.deepEqual(event?.time, [1_795_273_421, 660_000_123]);
    }
    const early = { ...retransmit, time: END_NS - 4_999_500n };
    const names = spanOf(CLIENT, [retransmit, early]).events.map(({ name }) => name);
    assert.deepEqual(names, ['retransmit', 'request_sent', 'response_start', 'retransmit']);
  });

  it('are those of the exchange’s own bytes and time, around the end of sequence numbers too', () => {
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, sequence_begin: 7000, sequence_end: 8000 }]), []);
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, sequence_begin: 4000, sequence_end: 5000 }]), []);
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, sequence_begin: 4000, sequence_end: 5001 }]), ['retransmit']);
    assert.deepEqual(namesOf(SERVER, [{ ...retransmit, time: END_NS - 6_000_000n }]), []);
    const wrapped = { ...SERVER, response_sequence: 2 ** 32 - 1000 };
    assert.deepEqual(namesOf(wrapped, [{ ...retransmit, sequence_begin: 500, sequence_end: 900 }]), ['retransmit']);
    assert.deepEqual(namesOf(wrapped, [{ ...retransmit, sequence_begin: 1000, sequence_end: 1900 }]), []);
  });

  it('tell of resets of the own socket, behind the end only if they are why it ended', () => {
    const reset = { ...retransmit, event_kind: 'reset_received', retransmit_cause: 'none', sent_by: 'client' };
    assert.deepEqual(namesOf(SERVER, [reset]), ['reset_received']);
    assert.deepEqual(namesOf(CLIENT, [reset]), [], 'another socket');
    assert.deepEqual(namesOf(SERVER, [{ ...reset, generation: 1 }]), [], 'connected again');
    const late = { ...reset, time: END_NS + 1000n };
    assert.deepEqual(namesOf(SERVER, [late]), []);
    assert.deepEqual(namesOf({ ...SERVER, request_end: 'connection_reset' }, [late]), ['reset_received']);
  });

  it('are no more than 32 of a kind that comes again and again; the others are counted', () => {
    const span = spanOf(
      SERVER,
      Array.from({ length: 40 }, () => retransmit),
    );
    assert.equal(span.events.filter(({ name }) => name === 'retransmit').length, 32);
    assert.equal(span.droppedEventsCount, 8);
  });
});

describe('recent events', () => {
  const arena = new Arena(64 * 1024);
  const at = arena.take(1024);
  const put = (values: Parameters<typeof connection>[0]) => {
    arena.bytes.set(record('tcp_event', { ...connection(values), event_kind: 'retransmit' }), at);
  };
  const hash = () => connectionHash(arena, at);

  it('are found again by their connection, the latest first', () => {
    const events = new RecentEvents(arena);
    for (let index = 0; index < 10; index += 1) {
      put({ source_port: 40_000 + (index % 2) });
      assert.ok(events.wants(at));
      events.keep(Uint8Array.of(index));
    }
    put({ source_port: 40_001 });
    assert.deepEqual(
      events.of(hash()).map(([first]) => first),
      [9, 7, 5, 3, 1],
    );
    put({ source_port: 50_000 });
    assert.deepEqual(events.of(hash()), []);
  });

  it('are found from the other end through address translation', () => {
    const events = new RecentEvents(arena);
    const begins = { source_sequence_begin: 123, destination_sequence_begin: 456 };
    put({ ...begins, destination_address: '10.96.0.1', destination_port: 80 });
    events.wants(at);
    events.keep(Uint8Array.of(1));
    put({ ...begins, destination_address: '10.0.0.2', destination_port: 8080 });
    assert.equal(events.of(hash()).length, 1);
    put({ ...begins, source_sequence_begin: 124 });
    assert.equal(events.of(hash()).length, 0);
  });

  it('are no others than retransmits and resets', () => {
    const events = new RecentEvents(arena);
    const wanted = ['retransmit', 'reset_sent', 'reset_received', 'drop', 'connect_failed', 'zero_window'].filter(
      (kind) => {
        arena.bytes.set(record('tcp_event', { ...connection(), event_kind: kind }), at);
        return events.wants(at);
      },
    );
    assert.deepEqual(wanted, ['retransmit', 'reset_sent', 'reset_received']);
  });

  it('forget the oldest first, and stay as many', () => {
    const events = new RecentEvents(arena);
    put({ source_port: 1 });
    const first = hash();
    events.wants(at);
    events.keep(Uint8Array.of(1));
    for (let index = 0; index < 8191; index += 1) {
      put({ source_port: 2 + (index % 1000) });
      events.wants(at);
      events.keep(Uint8Array.of(2));
    }
    assert.equal(events.of(first).length, 1);
    put({ source_port: 5000 });
    events.wants(at);
    events.keep(Uint8Array.of(3));
    assert.deepEqual(events.of(first), []);
    events.keep(new Uint8Array(769));
    assert.equal(events.of(hash()).length, 1, 'a row that is too long is left out');
  });
});
