/** What is said of an endpoint, as SQL over a row of `endpoints`. The query API and the views take it from here. */

/** Name of its container; empty if that is not known or if it has several. */
export const CONTAINER_SQL = (alias: string) =>
  `if(length(arrayDistinct(mapValues(${alias}.containers))) = 1, toString(mapValues(${alias}.containers)[1]), '')`;

/** Its services as one text, separated by commas. */
export const SERVICES_SQL = (alias: string) => `arrayStringConcat(${alias}.services, ',')`;
