/** What tests compile for themselves: test/native/Makefile, into build/test/. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Path of a file that test/native/Makefile makes, after making it. */
export function builtTestProgram(name: string): string {
  execFileSync('make', ['-s', '-C', import.meta.dirname, `../../build/test/${name}`], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return join(ROOT, 'build/test', name);
}
