/** A whole collector in a cluster of some thousand pods: its kernel side knows whose each address is. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createCgroup } from '../../../deploy/lab/cgroup.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { type Flowspan, startFlowspan, whyNot } from '../../support/flowspan.ts';
import { kubeconfigFor } from './support/stand_in.ts';

const PODS = 3000;
const SERVER = fileURLToPath(new URL('../../bench/kubernetes/server.ts', import.meta.url));

interface Status {
  readonly kubernetes: { readonly addresses_in_kernel: number };
  readonly programs: readonly { readonly name: string; readonly attached: boolean }[];
  readonly discards: Readonly<Record<string, number>>;
}

it('a collector tells its kernel side whose each address is', { skip: whyNot() ?? false }, async () => {
  const api = spawn(process.execPath, [SERVER, String(PODS), '30', '30', '30', 'stream'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const cgroup = createCgroup();
  let flowspan: Flowspan | undefined;
  try {
    const [port] = (await once(api.stdout, 'data')) as [Buffer];
    const env = { FLOWSPAN_KUBERNETES_KUBECONFIG: kubeconfigFor(`http://127.0.0.1:${String(port).trim()}`) };
    flowspan = await startFlowspan({ cgroup, env });
    const url = `${flowspan.collectorUrl}/status`;
    const status = await eventually('all addresses', async () => {
      const now = (await (await fetch(url)).json()) as Status;
      return now.kubernetes.addresses_in_kernel === PODS && now;
    });
    assert.ok(status.programs.some(({ name, attached }) => name === 'apply_address_changes' && attached));
    assert.equal(status.discards.address_table_full, 0);
  } finally {
    await flowspan?.stop();
    api.kill();
    cgroup.remove();
  }
});
