import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Slots } from '../../store/embedded/slots.ts';

test('never more than its size at once, in order, and the queue is bounded', async () => {
  const slots = new Slots(2, 3);
  let running = 0;
  let highest = 0;
  const order: number[] = [];
  const work = async (number: number) => {
    const leave = await slots.take();
    order.push(number);
    highest = Math.max(highest, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    leave();
    leave();
  };
  const all = [1, 2, 3, 4, 5].map(work);
  await assert.rejects(slots.take(), { code: 202 });
  await Promise.all(all);
  await Promise.all([work(6), work(7), work(8)]);
  assert.equal(highest, 2);
  assert.deepEqual(order, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('who leaves the queue takes no slot', async () => {
  const slots = new Slots(1, 3);
  const leave = await slots.take();
  const gone = new AbortController();
  const waiting = slots.take(gone.signal);
  const next = slots.take();
  gone.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  leave();
  (await next)();
  (await slots.take())();
  await assert.rejects(slots.take(gone.signal), /gone/);
});

test('one asker has at most its share, and the next free slot goes to who has fewest', async () => {
  const slots = new Slots(3, 4, { atOnce: 2, waiting: 2 });
  const order: string[] = [];
  const take = async (asker: string) => {
    const leave = await slots.take(undefined, asker);
    order.push(asker);
    return leave;
  };
  const [first] = await Promise.all([take('many'), take('many')]);
  const more = [take('many'), take('many')];
  await assert.rejects(slots.take(undefined, 'many'), { code: 202 });
  const others = [await take('one'), take('two')];
  assert.deepEqual(slots.load, { running: 3, waiting: 3 });
  first!();
  await others[1];
  assert.deepEqual(order, ['many', 'many', 'one', 'two']);
  (others[0] as () => void)();
  (await more[0]!)();
  (await more[1]!)();
});

test('who has waited too long while all slots are taken is refused', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const slots = new Slots(2, 3, { atOnce: 1, waiting: 2, longestWaitMs: 1000 });
  const first = await slots.take(undefined, 'one');
  // Waits for its own asker's alone: as long as its signal lets it.
  const own = slots.take(undefined, 'one');
  mock.timers.tick(1000);
  assert.deepEqual(slots.load, { running: 1, waiting: 1 });
  const second = await slots.take(undefined, 'two');
  const late = slots.take(undefined, 'three');
  const refused = assert.rejects(late, { code: 202 });
  mock.timers.tick(999);
  assert.deepEqual(slots.load, { running: 2, waiting: 2 });
  mock.timers.tick(1);
  await refused;
  const next = slots.take(undefined, 'four');
  second();
  const ends = [await next];
  mock.timers.tick(1000);
  first();
  ends.push(await own);
  for (const end of ends) end();
  assert.deepEqual(slots.load, { running: 0, waiting: 0 });
});
