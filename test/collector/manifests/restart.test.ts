/** What the next run of a collector knows of a directory of manifests that was changed, broken or lost in between. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../../../deploy/lab/wait.ts';
import { temporaryFolder } from '../../support/flowspan.ts';
import { follow, policy, remove } from './support/directory.ts';

const BROKEN = 'kind: [';

describe('after a restart', () => {
  it('what was in use last stays in use where its file is broken, and goes where its file is gone', async () => {
    const first = await follow({ 'a.yaml': policy('a', 7), 'b.yaml': policy('b') });
    first.source.close();
    first.write('a.yaml', BROKEN);
    rmSync(join(first.path, 'b.yaml'));
    first.write('c.yaml', policy('c'));
    const second = await first.restart();
    assert.equal(second.holder.text, 'a=7 c=1');
    assert.deepEqual(second.holder.settlements, ['a=7 c=1']);
    assert.deepEqual(second.refused(), ['File a.yaml InvalidYaml', 'NetworkPolicy a LastGood']);
    second.source.close();
    remove(second.path);
    const third = await second.restart();
    assert.equal(third.holder.text, 'a=7 c=1');
    assert.deepEqual(third.refused(), ['Directory Unreadable']);
    third.source.close();
  });

  it('the file that was in use of two with one object still is', async () => {
    const first = await follow({ 'b.yaml': policy('x', 1) });
    first.write('a.yaml', policy('x', 2));
    await first.refuses('NetworkPolicy x Duplicate');
    const second = await first.restart();
    assert.equal(second.holder.text, 'x=1');
    second.source.close();
  });

  it('it is known which file has an object by then', async () => {
    const first = await follow({ 'a.yaml': policy('x', 7) });
    renameSync(join(first.path, 'a.yaml'), join(first.path, 'b.yaml'));
    await eventually('the other file', () => first.source.conditions().every(({ file }) => file === 'b.yaml'));
    first.source.close();
    first.write('b.yaml', BROKEN);
    const second = await first.restart();
    assert.equal(second.holder.text, 'x=7');
    second.source.close();
  });

  it('a spoilt memory of it is none', async () => {
    const dataDir = temporaryFolder();
    for (const text of ['{', 'null', '[]', '{"directory": 1}', '{"files": {"a": {}}}']) {
      writeFileSync(join(dataDir, 'manifests.json'), text);
      const followed = await follow({ 'a.yaml': policy('a') }, { dataDir });
      assert.equal(followed.holder.text, 'a=1');
      followed.source.close();
    }
  });

  it('a disk that takes nothing is no reason to stop', async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, 'manifests.json.new'));
    const followed = await follow({ 'a.yaml': policy('a') }, { dataDir });
    assert.equal(followed.holder.text, 'a=1');
    followed.source.close();
  });
});
