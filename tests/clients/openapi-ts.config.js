// Imports with an extension, as Node wants them.
export default { input: "openapi.json", output: { path: "hey", module: { extension: ".js" } } };
