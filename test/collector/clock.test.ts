import assert from 'node:assert/strict';
import test from 'node:test';
import { WallClock } from '../../collector/src/batch/clock.ts';
import { machineClocks } from '../../collector/src/batch/machine_clocks.ts';

const halves = (value: bigint): [number, number] => [Number(value & 0xffffffffn), Number(value >> 32n)];
const joined = (clock: WallClock) => (BigInt(clock.high) << 32n) | BigInt(clock.low);

test('boot time plus offset, exact over carries and for a wall clock before 1970', () => {
  for (const offset of [0n, 1n, 1_700_000_000_000_000_000n, 0xffff_ffffn, 0x1_0000_0000n, -5n]) {
    const clock = new WallClock({ wallMinusBootNs: () => offset, wallNs: () => 0n });
    for (const boot of [0n, 1n, 0xffff_ffffn, 0x1_0000_0000n, 0xffff_ffff_ffffn, 123_456_789_012_345n]) {
      clock.convert(...halves(boot));
      assert.equal(BigInt.asIntN(64, joined(clock)), boot + offset, `${boot} + ${offset}`);
    }
  }
});

test('the offset follows the wall clock, but not its noise, and a step is told', () => {
  let offset = 1_000_000_000_000n;
  const clock = new WallClock({ wallMinusBootNs: () => offset, wallNs: () => 0n });
  const at = () => {
    clock.convert(0, 0);
    return BigInt.asIntN(64, joined(clock));
  };
  offset += 90_000n;
  assert.equal(clock.reanchor(), 0n);
  assert.equal(at(), 1_000_000_000_000n);
  offset += 200_000n;
  assert.equal(clock.reanchor(), 0n);
  assert.equal(at(), offset);
  offset -= 3_600_000_000_000n;
  assert.equal(clock.reanchor(), -3_600_000_000_000n);
  assert.equal(at(), offset);
});

test("this machine's clocks agree with each other from one reading to the next", () => {
  const clocks = machineClocks();
  const first = clocks.wallMinusBootNs();
  const second = clocks.wallMinusBootNs();
  const difference = first > second ? first - second : second - first;
  assert.ok(difference < 1_000_000n, `${difference} ns apart`);
  const wall = first + process.hrtime.bigint();
  assert.ok(Math.abs(Number(wall / 1_000_000n) - Date.now()) < 50);
});
