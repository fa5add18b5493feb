/** Ten minutes of kubernetes_churn.test.ts; `make soak` sets FLOWSPAN_SOAK, by which it knows. */
process.env.FLOWSPAN_SOAK = '1';
await import('./kubernetes_churn.test.ts');
