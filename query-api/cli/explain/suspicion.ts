/** What one cause's rule says of one edge. */
import type { Finding } from './finding.ts';

/** A finding before it is known where it stands among the others. */
export type Suspicion = Omit<Finding, 'id' | 'edge' | 'examples' | 'follows_from'>;
