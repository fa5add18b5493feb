/** The API server is away for ten minutes, and silent for five. */
process.env.FLOWSPAN_SOAK = '1';
await import('./api_server_away.test.ts');
