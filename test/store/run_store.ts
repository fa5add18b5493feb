/** Process entry of the store that tests start. */
import { main } from '../../store/embedded/main.ts';

process.exitCode = await main(process.argv.slice(2));
