/** Makes one thing of each kind, tells which, and waits to be ended: for registry.test.ts. */
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace } from '../../deploy/lab/namespace.ts';
import { start } from '../../deploy/lab/program.ts';
import { temporaryFolder } from './flowspan.ts';

const namespace = createNamespace();
const cgroup = createCgroup();
const folder = temporaryFolder();
const { pid } = start({ namespace, cgroup }, ['sleep', '600']);
process.stdout.write(`${JSON.stringify({ namespace: namespace.name, cgroup: cgroup.path, folder, pid })}\n`);
