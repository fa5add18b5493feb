/** Routes of texts at destinations as they were found last: the same is asked of several pods of a service, again and again. */
import type { KnownText } from './known_texts.ts';
import type { Route, RouteTable } from './routes.ts';

/** Answers that are remembered, each in the one place that its text and destination name; a power of two. */
const PLACES_BITS = 14;

/** A text's route at a destination. */
export interface FoundRoute {
  readonly text: KnownText;
  /** `made` of the text. */
  readonly made: number;
  readonly destination: number;
  readonly table: RouteTable;
  /** `version` of the table when it was found. */
  version: number;
  route: Route | undefined;
  /** The column `resource`. */
  resource: Buffer;
}

/** Finds what was put in, as long as nothing else has taken its place. */
export class FoundRoutes {
  readonly #places: (FoundRoute | undefined)[] = Array.from({ length: 1 << PLACES_BITS }, () => undefined);

  find(text: KnownText, destination: number): FoundRoute | undefined {
    const found = this.#places[this.#place(text, destination)];
    if (found === undefined || found.text !== text || found.destination !== destination) return undefined;
    return found.made === text.made ? found : undefined;
  }

  put(found: FoundRoute): void {
    this.#places[this.#place(found.text, found.destination)] = found;
  }

  #place(text: KnownText, destination: number): number {
    const hash = Math.imul(destination, 0x9e3779b1) ^ Math.imul(text.id + 1, 0x85ebca77);
    return (hash ^ (hash >>> 15)) >>> (32 - PLACES_BITS);
  }
}
