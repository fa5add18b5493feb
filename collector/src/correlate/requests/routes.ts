/**
 * Route templates, learned per destination from the paths it answers. Segments that are values by their looks become
 * placeholders at once; where one place has seen many words, the rare ones become `{slug}`. Bounded: a destination has
 * so many templates and no more; what fits none is `/*`.
 */
import { rowText } from '../../deliver/text.ts';
import { looksLikeSlug, shapeOf } from './route_shapes.ts';

/** Template of paths that no other template stands for. */
export const OVERFLOW = '/*';
const SLUG = '{slug}';

/** Words that look like titles, and words of any kind, at one place before the rare ones are folded. */
const SLUGS_AT_ONE_PLACE = 8;
const WORDS_AT_ONE_PLACE = 40;
/** A word seen so often, and so much more often than its neighbours, stays. */
const OFTEN = 20;
const MORE_OFTEN = 10;
/** Segments that a template tells apart; deeper ones read `*`. */
export const DEEPEST = 10;

/** A learned template. */
export interface Route {
  readonly template: string;
  /** The template as rows have it. */
  readonly text: Uint8Array;
  /** Requests that it stood for. */
  hits: number;
}

interface Place {
  readonly words: Map<string, Place>;
  route: Route | undefined;
  /** How many words may stand here before they are folded again. */
  patience: number;
}

/** Bytes of templates that several destinations have; shared, so that they stay near. */
const TEXTS = new Map<string, Uint8Array>();
const MOST_TEXTS = 4096;

function newRoute(path: readonly string[]): Route {
  const template = `/${path.join('/')}`;
  let text = TEXTS.get(template);
  if (text === undefined) {
    if (TEXTS.size >= MOST_TEXTS) TEXTS.clear();
    text = rowText(template);
    TEXTS.set(template, text);
  }
  return { template, text, hits: 0 };
}

const newPlace = (): Place => ({ words: new Map(), route: undefined, patience: 1 });

/** What the segments of a path, split at `/`, are to the tree: their placeholders, or themselves. */
export function keysOf(segments: readonly string[]): string[] {
  const keys = segments.slice(1, DEEPEST + 1).map((segment) => shapeOf(segment) ?? segment);
  if (segments.length > DEEPEST + 1) keys.push('*');
  return keys;
}

const isPlaceholder = (key: string) => key.startsWith('{') || key === '*';

function hitsBelow(place: Place): number {
  let hits = place.route?.hits ?? 0;
  for (const child of place.words.values()) hits += hitsBelow(child);
  return hits;
}

/** The templates of one destination. */
export class RouteTable {
  readonly #most: number;
  readonly #root = newPlace();
  #count = 0;
  /** Grows when templates were folded: what was found before must be looked up again. */
  version = 0;
  /** Grows with each use, among all tables of `Routes`. */
  used = 0;

  /** @param most templates that are learned at most */
  constructor(most: number) {
    this.#most = most;
  }

  /** Templates learned so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * The template of a path, if one was learned.
   * @param keys what `keysOf` says of its segments
   */
  find(keys: readonly string[]): Route | undefined {
    return search(this.#root, keys, 0);
  }

  /** The template of a path that exists, learned now if need be; undefined when there is no room for another. */
  learn(keys: readonly string[]): Route | undefined {
    const known = search(this.#root, keys, 0);
    if (known !== undefined || this.#count >= this.#most) return known;
    let place = this.#root;
    const path: string[] = [];
    for (const word of keys) {
      const key = place.words.has(word) || isPlaceholder(word) || !place.words.has(SLUG) ? word : SLUG;
      let next = place.words.get(key);
      if (next === undefined) {
        next = newPlace();
        place.words.set(key, next);
        // Once folded, this place has a {slug}, which takes the word: one more turn is enough.
        if (this.#foldIfCrowded(place, path)) return this.learn(keys);
      }
      path.push(key);
      place = next;
    }
    if (place.route === undefined) {
      this.#count += 1;
      place.route = newRoute(path);
    }
    return place.route;
  }

  /** @returns whether words were folded */
  #foldIfCrowded(place: Place, path: readonly string[]): boolean {
    const words = [...place.words.keys()].filter((key) => !isPlaceholder(key));
    const slugs = words.filter(looksLikeSlug);
    const crowd = words.length > WORDS_AT_ONE_PLACE * place.patience ? words : slugs;
    if (crowd === slugs && slugs.length <= SLUGS_AT_ONE_PLACE * place.patience) return false;
    const hits = crowd.map((word) => hitsBelow(place.words.get(word) as Place)).sort((a, b) => a - b);
    const often = Math.max(OFTEN, MORE_OFTEN * (hits[hits.length >> 1] as number));
    const rare = crowd.filter((word) => hitsBelow(place.words.get(word) as Place) < often);
    if (rare.length * 2 < crowd.length) {
      place.patience *= 2;
      return false;
    }
    let slug = place.words.get(SLUG);
    if (slug === undefined) {
      slug = newPlace();
      place.words.set(SLUG, slug);
    }
    for (const word of rare) {
      this.#merge(place.words.get(word) as Place, slug, [...path, SLUG]);
      place.words.delete(word);
    }
    this.version += 1;
    return true;
  }

  #merge(from: Place, into: Place, path: readonly string[]): void {
    if (from.route !== undefined) {
      if (into.route === undefined) into.route = newRoute(path);
      else this.#count -= 1;
      into.route.hits += from.route.hits;
    }
    for (const [key, child] of from.words) {
      let target = into.words.get(key);
      if (target === undefined) {
        target = newPlace();
        into.words.set(key, target);
      }
      this.#merge(child, target, [...path, key]);
    }
  }
}

/** A word itself goes before `{slug}`, which stands for any word. */
function search(place: Place, keys: readonly string[], depth: number): Route | undefined {
  if (depth === keys.length) return place.route;
  const key = keys[depth] as string;
  const exact = place.words.get(key);
  const found = exact === undefined ? undefined : search(exact, keys, depth + 1);
  if (found !== undefined || isPlaceholder(key)) return found;
  const any = place.words.get(SLUG);
  return any === undefined ? undefined : search(any, keys, depth + 1);
}

/** Destinations whose routes are remembered. */
const DESTINATIONS = 1024;

/** The route tables of all destinations; the one not used for longest is forgotten. */
export class Routes {
  readonly #most: number;
  readonly #tables = new Map<number, RouteTable>();
  #uses = 0;

  /** @param most templates per destination */
  constructor(most: number) {
    this.#most = most;
  }

  /** These stand for nobody any more. */
  drop(destinations: Iterable<number>): void {
    for (const destination of destinations) this.#tables.delete(destination);
  }

  /** The table of a destination, whatever number stands for it. */
  of(destination: number): RouteTable {
    let table = this.#tables.get(destination);
    if (table === undefined) {
      if (this.#tables.size >= DESTINATIONS) this.#forgetOne();
      table = new RouteTable(this.#most);
      this.#tables.set(destination, table);
    }
    this.use(table);
    return table;
  }

  /** A table was used that `of` has given before. */
  use(table: RouteTable): void {
    this.#uses += 1;
    table.used = this.#uses;
  }

  #forgetOne(): void {
    let [oldest, used] = [0, Number.POSITIVE_INFINITY];
    for (const [destination, table] of this.#tables) if (table.used < used) [oldest, used] = [destination, table.used];
    this.#tables.delete(oldest);
  }
}
