/** Routes of paths at destinations as they were found last: the same is asked of several pods of a service, again and again. */
import type { PathShape } from './path_shapes.ts';
import type { Route, RouteTable } from './routes.ts';

/** Answers that are remembered, each in one of two places that its shape and destination name; a power of two. */
const PLACES_BITS = 14;

/** The route of a path at a destination. */
export interface FoundRoute {
  readonly shape: PathShape;
  readonly destination: number;
  readonly table: RouteTable;
  /** `version` of the table when it was found. */
  version: number;
  route: Route | undefined;
}

/** Finds what was put in, as long as nothing else has taken its place. */
export class FoundRoutes {
  readonly #places: (FoundRoute | undefined)[] = Array.from({ length: 1 << PLACES_BITS }, () => undefined);

  find(shape: PathShape, destination: number): FoundRoute | undefined {
    const place = this.#place(shape, destination);
    const found = this.#places[place];
    if (found !== undefined && found.shape === shape && found.destination === destination) return found;
    const other = this.#places[place ^ 1];
    return other !== undefined && other.shape === shape && other.destination === destination ? other : undefined;
  }

  put(found: FoundRoute): void {
    const place = this.#place(found.shape, found.destination);
    // What was put there last is kept beside it.
    this.#places[place ^ 1] = this.#places[place];
    this.#places[place] = found;
  }

  #place(shape: PathShape, destination: number): number {
    const hash = Math.imul(destination, 0x9e3779b1) ^ Math.imul(shape.id + 1, 0x85ebca77);
    return (hash ^ (hash >>> 15)) >>> (32 - PLACES_BITS);
  }
}
