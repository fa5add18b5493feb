/**
 * A service's slots: dense, so that a number below their count is a choice, and one slot per unit of weight. Who leaves is
 * replaced by who stands last, who comes stands behind: a change of weight w moves at most w slots of others.
 */

/**
 * @param before slots until now
 * @param weights slots that each is to have
 * @returns the slots from now on
 */
export function nextSlots<Backend>(
  before: readonly Backend[],
  weights: ReadonlyMap<Backend, number>,
): readonly Backend[] {
  const missing = new Map(weights);
  const slots: (Backend | undefined)[] = before.map((backend) => {
    const left = missing.get(backend) ?? 0;
    if (left === 0) return undefined;
    missing.set(backend, left - 1);
    return backend;
  });
  const coming = [...missing].flatMap(([backend, count]) => Array.from({ length: count }, () => backend));
  let next = 0;
  for (let slot = 0; slot < slots.length; slot += 1) {
    if (slots[slot] !== undefined) continue;
    if (next < coming.length) {
      slots[slot] = coming[next];
      next += 1;
      continue;
    }
    while (slots.length > slot && slots.at(-1) === undefined) slots.pop();
    if (slots.length > slot) slots[slot] = slots.pop();
  }
  return [...slots, ...coming.slice(next)].filter((backend): backend is Backend => backend !== undefined);
}
