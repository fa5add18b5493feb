/** All 20 rounds of causes.test.ts. */
process.env.FLOWSPAN_SOAK = '1';
await import('./causes.test.ts');
