/** Makes one thing of each kind, tells which, and waits to be ended: for registry.test.ts. */
import { spawn } from 'node:child_process';
import { createCgroup } from '../../deploy/lab/cgroup.ts';
import { createNamespace } from '../../deploy/lab/namespace.ts';
import { start } from '../../deploy/lab/program.ts';
import { cpuBudget } from '../bench/kit/cpu.ts';
import { temporaryFolder } from './flowspan.ts';

const namespace = createNamespace();
const cgroup = createCgroup();
const folder = temporaryFolder();
const { pid } = start({ namespace, cgroup }, ['sleep', '600']);
// A cgroup of v1 on some machines; what runs there is noted nowhere else.
const [shell = '', ...words] = cpuBudget(1).within(['sleep', '600']);
const limited = spawn(shell, words).pid;
process.stdout.write(`${JSON.stringify({ namespace: namespace.name, cgroup: cgroup.path, folder, pid, limited })}\n`);
