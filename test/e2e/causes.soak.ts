/** All 20 rounds of causes.test.ts; `make soak` sets FLOWSPAN_SOAK, by which it knows. */
process.env.FLOWSPAN_SOAK = '1';
await import('./causes.test.ts');
