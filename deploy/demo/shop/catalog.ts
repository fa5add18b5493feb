/** The catalog: lists what is sold; /catalog/report is the one page that takes its time. Usage: catalog.ts BEHAVIOUR */
import { serve, waited } from './service.ts';

const REPORT_MS = 400;
const ITEMS = Array.from({ length: 60 }, (_, index) => ({
  item: index,
  name: `cup number ${index}`,
  text: 'A cup of white porcelain, with a handle on the right side, for tea, coffee and other drinks.',
}));

serve(async ({ pathname }) => {
  if (pathname === '/catalog/report') await waited(REPORT_MS);
  const item = /^\/catalog\/items\/(\d+)$/.exec(pathname)?.[1];
  const found = item === undefined ? ITEMS : ITEMS[Number(item)];
  if (found === undefined) return { status: 404, body: '{"error":"there is no such item"}' };
  return { status: 200, body: JSON.stringify(found) };
});
