// The client that @hey-api/openapi-ts writes: start an export, poll it, read its file. Prints the file's number of lines.
import { client } from "./hey/client.gen.js";
import { downloadExport, exportStatus, startExport, type SessionsRequest } from "./hey/index.js";

const [baseUrl, token] = process.argv.slice(2);
client.setConfig({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const filtered: SessionsRequest = { exportType: "sessions", filters: { status: ["active"] } };
await startExport({ body: filtered, throwOnError: true });

const started = await startExport({ body: { exportType: "users", format: "csv" }, throwOnError: true });
const path = { id: started.data.id };
for (;;) {
  const { data } = await exportStatus({ path, throwOnError: true });
  if (data.status === "Completed") break;
  if (data.status !== "Pending" && data.status !== "Processing") throw new Error(data.error?.message);
  await new Promise((next) => setTimeout(next, 200));
}
const where = await downloadExport({ path, query: { redirect: "false" }, throwOnError: true });
const file = await (await fetch(where.data!.url)).text();
console.log(file.trimEnd().split("\n").length);
