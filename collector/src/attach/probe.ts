/** Which programs this kernel can have at all, asked of its own types before anything is loaded. */
import { type KernelTypes, openKernelTypes, type ProgramInfo } from '../../native/addon.ts';

/** The kernel type that exists exactly when the hook of a section does; undefined where a load must tell. */
function hookType(section: string): { kind: 'typedef' | 'func'; name: string; what: string } | undefined {
  const [prefix, target] = section.split('/', 2);
  if (target === undefined) return undefined;
  if (prefix === 'tp_btf') return { kind: 'typedef', name: `btf_trace_${target}`, what: `tracepoint ${target}` };
  if (prefix === 'iter') return { kind: 'func', name: `bpf_iter_${target}`, what: `iterator over ${target}` };
  return undefined;
}

/**
 * Why a program cannot work on the running kernel: reason by program name, empty when all can.
 * @param types the kernel's types; opened and closed here when left out
 */
export function impossiblePrograms(
  programs: readonly ProgramInfo[],
  types?: Pick<KernelTypes, 'has'>,
): Map<string, string> {
  const opened = types === undefined ? openKernelTypes() : undefined;
  const known = types ?? opened!;
  const reasons = new Map<string, string>();
  try {
    for (const { name, section } of programs) {
      const hook = hookType(section);
      if (hook !== undefined && !known.has(hook.kind, hook.name)) reasons.set(name, `this kernel has no ${hook.what}`);
    }
  } finally {
    opened?.close();
  }
  return reasons;
}
