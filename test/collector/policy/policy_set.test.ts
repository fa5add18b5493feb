/** The policies there are, while their objects come, change, break and go. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { PolicySet } from '../../../collector/src/control/policy/policy_set.ts';
import { DENY_IN, networkPolicy } from './support/manifests.ts';
import { reaching } from './support/world.ts';

const MODES = { mode: 'enforce', namespaces: new Map() } as const;
const NAME = { kind: 'NetworkPolicy', namespace: 'x', name: 'deny-in' };
const OPEN = networkPolicy('podSelector: {}\ningress: [{}]', 'deny-in');
const BROKEN = networkPolicy('podSelector: {}\ningress: [{from: [{}]}]', 'deny-in');
const into = (set: PolicySet) => reaching(set.model(MODES), 'x/a').split(' ').length;

describe('set of policies', () => {
  it('an edit takes the place of what was there', () => {
    const set = new PolicySet();
    assert.equal(into(set), 9);
    assert.equal(set.take(parse(DENY_IN)).reason, 'Accepted');
    assert.equal(into(set), 1);
    set.take(parse(OPEN));
    assert.equal(into(set), 9);
    assert.equal(set.conditions.length, 1);
  });

  it('a broken edit leaves the last good version in force and says so', () => {
    const set = new PolicySet();
    set.take(parse(DENY_IN));
    const condition = set.take(parse(BROKEN));
    assert.deepEqual([condition.accepted, condition.reason], [false, 'BadPeer']);
    assert.match(condition.message, /; until then its last good version stays in force$/);
    assert.deepEqual(set.conditions, [condition]);
    assert.equal(into(set), 1);
    // Also after a second one.
    assert.match(set.take(parse(BROKEN)).message, /last good version/);
    assert.equal(into(set), 1);
    assert.equal(set.take(parse(OPEN)).accepted, true);
    assert.equal(into(set), 9);
  });

  it('what was broken from the first is told and not in force', () => {
    const set = new PolicySet();
    const condition = set.take(parse(BROKEN));
    assert.doesNotMatch(condition.message, /last good version/);
    assert.deepEqual(set.conditions, [condition]);
    assert.equal(into(set), 9);
  });

  it('what is deleted is gone, its last good version, too', () => {
    const set = new PolicySet();
    set.take(parse(DENY_IN));
    set.take(parse(BROKEN));
    set.delete(NAME);
    assert.equal(into(set), 9);
    assert.deepEqual(set.conditions, []);
    assert.doesNotMatch(set.take(parse(BROKEN)).message, /last good version/);
  });

  it('what has no name is told and not kept', () => {
    const set = new PolicySet();
    assert.equal(set.take({ kind: 'NetworkPolicy' }).accepted, false);
    assert.deepEqual(set.conditions, []);
  });
});
