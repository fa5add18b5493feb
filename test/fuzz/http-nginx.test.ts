/**
 * The HTTP corpus as nginx reads it: the same bytes go to a real nginx, and what its access log says of each request is
 * what the kernel said of it. Where the two differ, differences.ts says why; any other difference fails.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../deploy/lab/namespace.ts';
import { run } from '../../deploy/lab/program.ts';
import { quiet } from '../../deploy/lab/wait.ts';
import { RequestWatcher } from '../bpf/http/watch.ts';
import { temporaryFolder, whyNot } from '../support/flowspan.ts';
import { type AccessLogEntry, type Nginx, startNginx } from '../support/nginx.ts';
import { differencesOf, toldByKernel, toldByNginx } from './nginx/compare.ts';
import { DIFFERENCES } from './nginx/differences.ts';
import { corpus, streamsOf } from './support/corpus.ts';

const CLIENT = fileURLToPath(new URL('nginx/client.ts', import.meta.url));
/** Reads every request whole, body and all, before it answers: what nginx discards is not in its log. */
const LOCATIONS = `
  proxy_ignore_client_abort on;
  location = /upstream { return 200 "ok"; }
  location ~ ^ {
    rewrite ^ /upstream break;
    proxy_pass http://127.0.0.1:80;
    proxy_method GET;
    proxy_pass_request_headers off;
    proxy_pass_request_body off;
  }`;
/** The client's port of the first entry; the others follow. */
const FIRST_PORT = 20_000;

const ENTRIES = corpus('http').filter(({ bytes }) => streamsOf(bytes).requests.length > 0);

describe('the HTTP corpus as nginx reads it', { skip: whyNot() ?? false }, () => {
  let cgroup: Cgroup;
  let namespaces: readonly [Namespace, Namespace];
  let watcher: RequestWatcher;
  let nginx: Nginx;
  /** Differences by name of the entry. */
  const found: Record<string, string[]> = {};
  let agreed = 0;

  before(async () => {
    cgroup = createCgroup();
    namespaces = [createNamespace(), createNamespace()];
    const { ipv4 } = connect(...namespaces).b;
    watcher = new RequestWatcher(cgroup);
    nginx = await startNginx({ namespace: namespaces[1], cgroup }, { workers: 1, locations: LOCATIONS });
    const file = join(temporaryFolder(), 'said.json');
    const said = ENTRIES.map(({ bytes }, index) => [FIRST_PORT + index, streamsOf(bytes).requests.toString('base64')]);
    writeFileSync(file, JSON.stringify(said));
    await run({ namespace: namespaces[0], cgroup }, [process.execPath, CLIENT, ipv4, '80', file]);
    await quiet('the rows', async () => `${watcher.seen('').length}`);

    // bytes beyond ASCII stand in the log as they are
    const log = readFileSync(join(nginx.folder, 'access.log'), 'latin1').split('\n').filter(Boolean);
    const lines = log.map((line) => JSON.parse(line) as AccessLogEntry);
    for (const [index, { name }] of ENTRIES.entries()) {
      const port = FIRST_PORT + index;
      const kernel = watcher.seen('').filter((row) => row.clientPort === port && row.point === 'server');
      const differences = differencesOf(
        lines.filter(({ remote_port }) => remote_port === port).map(toldByNginx),
        kernel.toSorted((a, b) => a.index - b.index).map(toldByKernel),
      );
      if (differences.length > 0) found[name] = differences;
      else agreed += 1;
    }
  });

  after(async () => {
    await nginx?.stop();
    watcher?.close();
    for (const namespace of namespaces ?? []) namespace.remove();
    cgroup?.remove();
  });

  it('differs from the kernel only where it is known to, and why', (t) => {
    t.diagnostic(`${agreed} of ${ENTRIES.length} entries are told alike`);
    if (process.env.FLOWSPAN_PRINT_DIFFERENCES === '1') console.log(JSON.stringify(found, null, 1));
    const known = Object.fromEntries(DIFFERENCES.flatMap(([, entries]) => Object.entries(entries)));
    assert.deepEqual(found, known);
    assert.ok(agreed > ENTRIES.length / 4);
  });
});
