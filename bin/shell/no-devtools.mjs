/** Stands in for react-devtools-core, which ink asks for only in development. */
export default { initialize() {}, connectToDevTools() {} };
