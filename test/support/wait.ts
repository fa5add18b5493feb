/** See deploy/lab: the demo makes the same things. */
export * from '../../deploy/lab/wait.ts';
