/** Stands in for is-in-ci: somebody sits at a terminal here, whatever the environment says of CI. */
export default false;
