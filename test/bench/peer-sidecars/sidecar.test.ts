/** Envoy accepts the configuration that bench peer-sidecars gives it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { sidecarCommand, whyNoSidecar } from './sidecar.ts';

test('the configuration of a sidecar', { skip: whyNoSidecar() ?? false }, () => {
  const folder = temporaryFolder();
  const [envoy = '', ...words] = sidecarCommand(folder, {
    name: 'server',
    listen: { address: '127.0.0.1', port: 15006 },
    upstream: { address: '127.0.0.1', port: 80 },
    logPath: join(folder, 'access.log'),
  });
  const { status, stderr } = spawnSync(envoy, [...words, '--mode', 'validate'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
