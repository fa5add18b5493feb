/** See deploy/lab: the demo makes the same things. */
export * from '../../deploy/lab/cgroup.ts';
