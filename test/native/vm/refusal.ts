/** Runs on an emulated machine that lacks something, which its argument names: prints what the collector would say. */
import { AttachError } from '../../../collector/src/attach/error.ts';
import { checkHost } from '../../../collector/src/attach/host.ts';
import { REFUSAL_MARK, type Refusal } from './report.ts';

function refusal(machine: string): Refusal {
  try {
    const limits = checkHost().checks.filter(({ ok }) => !ok);
    return { machine, code: '', message: '', missing: limits.map(({ missing }) => missing).join('; ') };
  } catch (error) {
    if (!(error instanceof AttachError)) throw error;
    return { machine, code: error.code, message: error.message, missing: '' };
  }
}

console.log(REFUSAL_MARK + JSON.stringify(refusal(process.argv[2] ?? '')));
