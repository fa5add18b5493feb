/** What the command line says to what it cannot do. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/flowspan.ts';
import { flowspanCommand } from '../support/up.ts';

describe('flowspan on the command line', () => {
  it('lists its commands', async () => {
    for (const words of [['help'], ['--help'], []]) {
      const { code, output } = await flowspanCommand({}, ...words);
      assert.equal(code, 0);
      for (const command of ['up', 'collector', 'store', 'query-api', 'observe', 'manifests', 'status'])
        assert.match(output, new RegExp(`^  ${command} `, 'm'));
    }
  });

  it('refuses a command that does not exist', async () => {
    const { code, output } = await flowspanCommand({}, 'explode');
    assert.equal(code, 2);
    assert.match(output, /FLOW_CLI_COMMAND: there is no command 'explode'/);
  });

  const file = join(temporaryFolder(), 'flowspan.yaml');
  writeFileSync(file, 'collector:\n  flow_interval_s: soon\n');
  const REFUSED: readonly { what: string; words: readonly string[]; env?: Record<string, string>; says: RegExp }[] = [
    {
      what: 'a value out of range',
      words: ['--collector-flow-interval-s', '0'],
      says: /FLOW_CONFIG_VALUE.*collector\.flow_interval_s.*0.*from 1 to 3600/,
    },
    { what: 'a flag for no key', words: ['--colector-listen', 'x'], says: /FLOW_CONFIG_FLAG.*--colector-listen/ },
    {
      what: 'a value from the environment',
      words: [],
      env: { FLOWSPAN_STORE_LISTEN: 'nowhere' },
      says: /FLOW_CONFIG_VALUE.*store\.listen.*nowhere.*address:port/,
    },
    {
      what: 'a value in the file',
      words: ['--config', file],
      says: /FLOW_CONFIG_VALUE.*collector\.flow_interval_s.*soon/,
    },
    {
      what: 'a file that is not there',
      words: ['--config', '/nowhere/flowspan.yaml'],
      says: /FLOW_CONFIG_FILE.*\/nowhere\/flowspan\.yaml/,
    },
    {
      what: 'an open door without a password',
      words: ['--store-listen', '0.0.0.0:8123'],
      says: /FLOW_CONFIG_EXPOSED.*store\.listen/,
    },
    {
      what: 'a port that the others cannot know',
      words: ['--store-listen', '127.0.0.1:0'],
      says: /FLOW_UP_PORT.*store\.listen/,
    },
  ];
  for (const { what, words, env = {}, says } of REFUSED) {
    it(`starts nothing with ${what}`, async () => {
      const { code, output } = await flowspanCommand(env, 'up', ...words);
      assert.equal(code, 1, output);
      assert.match(output, says);
      assert.doesNotMatch(output, /starting|\n {4}at /);
    });
  }
});
