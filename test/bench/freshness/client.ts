/**
 * A paced HTTP client: `client.ts URL LABEL COUNT MEAN_GAP_MS` asks over one kept connection for /r/LABEL/0, /r/LABEL/1, …,
 * at random moments, so that no timer of whom is measured is met in step. Prints one line per request when its response
 * has been read to its end: number, and that moment in milliseconds since the epoch.
 */
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const [url = '', label = '', count = '0', meanGapMs = '0'] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function ask(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(`${url}${path}`, { agent }, (response) => {
      response.resume().once('end', resolve).once('error', reject);
    }).once('error', reject);
  });
}

for (let at = 0; at < Number(count); at += 1) {
  await sleep(Math.random() * 2 * Number(meanGapMs));
  await ask(`/r/${label}/${at}`);
  process.stdout.write(`${at} ${performance.timeOrigin + performance.now()}\n`);
}
agent.destroy();
