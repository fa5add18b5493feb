/** When it is: one day in pieces of five minutes, more at noon than at night. */

/** Begin of the day, seconds since the epoch: 2025-03-03 00:00 UTC. It has passed on every machine, so that rollups are built. */
export const DAY_BEGIN_S = 1_740_960_000;
export const PIECE_S = 300;
export const PIECES = 86_400 / PIECE_S;

/** Connections that begin in each hour of the day, in parts of their sum. */
const HOURS = [4, 3, 2, 2, 2, 3, 5, 8, 11, 13, 14, 14, 13, 14, 15, 15, 14, 13, 12, 12, 11, 9, 7, 5];
const SUM = HOURS.reduce((sum, part) => sum + part, 0);

/** Connections of a part of the day: they are numbered from `first` on, in the order of the pieces. */
export interface Piece {
  /** Number of the piece within the day. */
  readonly index: number;
  readonly first: number;
  readonly count: number;
}

/** The pieces of a day with so many connections. */
export function piecesOfDay(connections: number): Piece[] {
  const perHour = PIECES / 24;
  let [before, first] = [0, 0];
  return Array.from({ length: PIECES }, (_, index) => {
    before += HOURS[Math.floor(index / perHour)]! / perHour / SUM;
    const end = Math.round(connections * before);
    const piece = { index, first, count: end - first };
    first = end;
    return piece;
  });
}
