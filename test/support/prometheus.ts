/** See deploy/lab: the demo starts the same. */
export * from '../../deploy/lab/prometheus.ts';
