/** Names and values in an answer to GET /metrics, text format. */

/** Names and types of Flowspan's own families, sorted: `flowspan_build_info gauge`. */
export function flowspanNames(text: string): string[] {
  return [...text.matchAll(/^# TYPE (flowspan_\w+ \w+)$/gm)].map((match) => match[1] as string).sort();
}

/** Value of one series, written as it stands in the answer; 0 if it is not there. */
export function seriesValue(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
