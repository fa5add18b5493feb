/** A directory of manifests that changes under the collector, on the real file system. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { readDirectory } from '../../../collector/src/control/manifests/directory.ts';
import { temporaryFolder } from '../../support/flowspan.ts';
import { type Followed, follow, policy, remove, TIMING } from './support/directory.ts';

const BROKEN = 'kind: [';

/** Runs with a directory that is followed, and ends it. */
async function withFiles(files: Record<string, string>, run: (followed: Followed) => Promise<void>): Promise<void> {
  const followed = await follow(files);
  try {
    await run(followed);
  } finally {
    followed.source.close();
  }
}

describe('a directory of manifests', () => {
  it('is told whole before anybody may use it, then change by change', async () => {
    await withFiles(
      {
        'a.yaml': policy('a') + policy('b'),
        'c.json': '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}',
      },
      async (followed) => {
        const namespace = 'Namespace shop=undefined';
        assert.deepEqual(followed.holder.settlements, [`${namespace} a=1 b=1`]);
        followed.write('a.yaml', policy('a', 2) + policy('c'));
        await followed.holds(`${namespace} a=2 c=1`);
        assert.equal(followed.holder.settlements.length, 2, 'one step, nothing between');
        rmSync(join(followed.path, 'a.yaml'));
        await followed.holds(namespace);
      },
    );
  });

  it('keeps what a file said that cannot be read any more, until it can', async () => {
    await withFiles({ 'a.yaml': policy('a') + policy('b'), 'z.yaml': policy('z') }, async (followed) => {
      followed.write('a.yaml', policy('a', 2) + BROKEN);
      await followed.refuses('File a.yaml InvalidYaml', 'NetworkPolicy a LastGood', 'NetworkPolicy b LastGood');
      assert.equal(followed.holder.text, 'a=1 b=1 z=1');
      const [file] = followed.source.conditions().filter(({ kind }) => kind === 'File');
      assert.match(file?.message ?? '', /line 6, column 8.*2 objects that were taken from it before stay in use/);
      followed.write('z.yaml', policy('z', 2));
      await followed.holds('a=1 b=1 z=2');
      assert.ok(followed.source.status().lastSoundMs < Date.now() - 2 * TIMING.quietMs);
      followed.write('a.yaml', policy('a', 3));
      await followed.holds('a=3 z=2');
      await followed.refuses();
    });
  });

  it('keeps the last version of an object that is refused, and takes the others', async () => {
    await withFiles({ 'a.yaml': policy('a') + policy('b') }, async (followed) => {
      followed.write('a.yaml', policy('a', 13) + policy('b', 2) + policy('c', 13));
      await followed.holds('a=1 b=2');
      await followed.refuses('NetworkPolicy a Unlucky', 'NetworkPolicy c Unlucky');
      const messages = followed.source.conditions().map(({ name, message }) => `${name}: ${message}`);
      assert.ok(messages.includes('a: spec.value is 13; what was taken from it before stays in use'), messages.join());
      assert.ok(messages.includes('c: spec.value is 13'), messages.join());
      followed.write('a.yaml', policy('b', 2));
      await followed.holds('b=2');
      await followed.refuses();
    });
  });

  it('is not emptied by a file that is emptied, as an editor does before it writes', async () => {
    await withFiles({ 'a.yaml': policy('a') }, async (followed) => {
      followed.write('a.yaml', '');
      await followed.refuses('File a.yaml EmptyFile', 'NetworkPolicy a LastGood');
      assert.equal(followed.holder.text, 'a=1');
      followed.write('a.yaml', '# nothing any more\n');
      await followed.holds('');
      await followed.refuses();
    });
  });

  it('refuses an object that is in two files, and goes on using the one that it used', async () => {
    await withFiles({ 'b.yaml': policy('x', 1) }, async (followed) => {
      followed.write('a.yaml', policy('x', 2));
      await followed.refuses('NetworkPolicy x Duplicate');
      const [condition] = followed.source.conditions();
      assert.deepEqual(
        [condition?.file, condition?.message],
        ['a.yaml', 'it is in b.yaml as well, and only that counts: remove one of them'],
      );
      assert.equal(followed.holder.text, 'x=1');
      rmSync(join(followed.path, 'b.yaml'));
      await followed.holds('x=2');
      await followed.refuses();
    });
  });

  it('refuses an object that claims the UID of another one, and goes on using that', async () => {
    const withUid = (name: string, value = 1) => policy(name, value).replace('{name', '{uid: u-1, name');
    await withFiles({ 'a.yaml': policy('a'), 'b.yaml': withUid('b') }, async (followed) => {
      followed.write('a.yaml', withUid('a', 2));
      await followed.refuses('NetworkPolicy a DuplicateUid');
      assert.equal(followed.holder.text, 'a=1 b=1');
      rmSync(join(followed.path, 'b.yaml'));
      await followed.holds('a=2');
    });
  });

  it('takes a file that is moved as the same objects', async () => {
    await withFiles({ 'a.yaml': policy('x') }, async (followed) => {
      const before = followed.holder.settlements.length;
      renameSync(join(followed.path, 'a.yaml'), join(followed.path, 'b.yaml'));
      await wait(6 * TIMING.lookMs);
      assert.deepEqual([followed.holder.text, followed.holder.settlements.length], ['x=1', before]);
      assert.deepEqual(
        followed.source.conditions().map(({ file }) => file),
        ['b.yaml'],
      );
    });
  });

  it('is kept while it is away, and read when it is back, be it another one', async () => {
    await withFiles({ 'a.yaml': policy('a') }, async (followed) => {
      const aside = `${followed.path}.aside`;
      renameSync(followed.path, aside);
      await followed.refuses('Directory Unreadable');
      assert.equal(followed.holder.text, 'a=1');
      renameSync(aside, followed.path);
      await followed.refuses();
      remove(followed.path);
      await followed.refuses('Directory Unreadable');
      mkdirSync(followed.path);
      followed.write('b.yaml', policy('b'));
      await followed.holds('b=1');
      followed.write('b.yaml', policy('b', 2));
      await followed.holds('b=2');
    });
  });

  it('follows what its links lead to: a file that is changed, one that is gone', async () => {
    const elsewhere = join(temporaryFolder(), 'x');
    writeFileSync(elsewhere, policy('x'));
    await withFiles({}, async (followed) => {
      symlinkSync(elsewhere, join(followed.path, 'x.yaml'));
      await followed.holds('x=1');
      writeFileSync(elsewhere, policy('x', 2));
      await followed.holds('x=2');
      rmSync(elsewhere);
      await followed.refuses('File x.yaml Unreadable', 'NetworkPolicy x LastGood');
      assert.equal(followed.holder.text, 'x=2');
    });
  });

  it('is read as a ConfigMap mount is swapped: all files at once', async () => {
    await withFiles({}, async (followed) => {
      const version = (name: string, value: number): void => {
        mkdirSync(join(followed.path, name));
        for (const file of ['a', 'b']) writeFileSync(join(followed.path, name, `${file}.yaml`), policy(file, value));
      };
      version('..1', 1);
      symlinkSync('..1', join(followed.path, '..data'));
      for (const file of ['a', 'b']) symlinkSync(join('..data', `${file}.yaml`), join(followed.path, `${file}.yaml`));
      await followed.holds('a=1 b=1');
      version('..2', 2);
      symlinkSync('..2', join(followed.path, '..data_tmp'));
      renameSync(join(followed.path, '..data_tmp'), join(followed.path, '..data'));
      await followed.holds('a=2 b=2');
      assert.ok(!followed.holder.settlements.some((text) => /a=1 b=2|a=2 b=1/.test(text)));
    });
  });

  it('does not read what is being written', async () => {
    await withFiles({ 'a.yaml': policy('a') + policy('b') }, async (followed) => {
      const path = join(followed.path, 'a.yaml');
      writeFileSync(path, policy('a', 2));
      for (let value = 0; value < 8; value += 1) {
        await wait(TIMING.quietMs / 2);
        appendFileSync(path, policy(`x${value}`, value));
      }
      appendFileSync(path, policy('b', 2));
      await followed.holds(['a=2', 'b=2', ...[0, 1, 2, 3, 4, 5, 6, 7].map((value) => `x${value}=${value}`)].join(' '));
      assert.equal(followed.holder.settlements.length, 2, followed.holder.settlements.join('\n'));
    });
  });

  it('is read though something else is written there all the time', async () => {
    await withFiles({ 'a.yaml': policy('a') }, async (followed) => {
      const noise = setInterval(() => appendFileSync(join(followed.path, 'x.log'), 'x'), TIMING.quietMs / 6);
      followed.write('a.yaml', policy('a', 2));
      await followed.holds('a=2').finally(() => clearInterval(noise));
    });
  });

  it('takes nothing from a reading during which something was written', async () => {
    let writes = 0;
    let write = (_: string): void => undefined;
    const followed = await follow(
      { 'a.yaml': policy('a') },
      {
        read: async (directory, known) => {
          const read = await readDirectory(directory, known);
          if (writes > 0) write(policy('a', 100 - writes--));
          return read;
        },
      },
    );
    write = (text) => followed.write('a.yaml', text);
    writes = 3;
    followed.write('a.yaml', policy('a', 50));
    await followed.holds('a=99');
    followed.source.close();
    assert.deepEqual(followed.holder.settlements, ['a=1', 'a=99']);
  });

  it('is read once where it cannot be read, and again when it is another', async () => {
    let isSlow = false;
    const followed = await follow(
      { 'a.yaml': policy('a') },
      {
        read: async (directory, known) => {
          const read = await readDirectory(directory, known);
          const refusal = { reason: 'TooSlow', message: 'more than 30 s' };
          return isSlow ? { ...read, files: [], refusal } : read;
        },
      },
    );
    isSlow = true;
    followed.write('b.yaml', policy('b'));
    await followed.refuses('Directory TooSlow');
    const { reads } = followed.source.status();
    await wait(6 * TIMING.lookMs);
    assert.deepEqual([followed.source.status().reads, followed.holder.text], [reads, 'a=1']);
    isSlow = false;
    followed.write('b.yaml', policy('b', 2));
    await followed.holds('a=1 b=2');
    await followed.refuses();
    followed.source.close();
  });

  it('comes to the same end as the files, whatever order things happen in', async () => {
    await withFiles({}, async (followed) => {
      for (let round = 1; round <= 60; round += 1) {
        const name = `${'abc'[round % 3]}.yaml`;
        const path = join(followed.path, name);
        if (round % 7 === 0) rmSync(path, { force: true });
        else if (round % 5 === 0) {
          writeFileSync(`${path}.new`, policy(`p${round % 3}`, round));
          renameSync(`${path}.new`, path);
        } else writeFileSync(path, round % 11 === 0 ? BROKEN : policy(`p${round % 3}`, round));
        await wait((round * 37) % 90);
      }
      followed.write('a.yaml', policy('p0', 1000));
      followed.write('b.yaml', policy('p1', 1001));
      followed.write('c.yaml', policy('p2', 1002));
      await followed.holds('p0=1000 p1=1001 p2=1002');
      await followed.refuses();
    });
  });

  it('is refused at the start if it is not there, and nothing is known of it', async () => {
    const path = join(temporaryFolder(), 'none');
    await assert.rejects(follow({}, { path }), {
      code: 'FLOW_MANIFESTS_DIRECTORY',
      message: /none.*ENOENT.*set manifests/,
    });
  });
});
