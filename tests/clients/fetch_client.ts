// The client that openapi-typescript types: start an export, poll it, read its file. Prints the file's number of lines.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const [baseUrl, token] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

const started = await client.POST("/exports", { body: { exportType: "users", format: "csv" } });
if (!started.data) throw new Error(started.error.detail);

const filtered: components["schemas"]["SessionsRequest"] = { exportType: "sessions", filters: { status: ["active"] } };
const second = await client.POST("/exports", { body: filtered });
if (!second.data) throw new Error(second.error.detail);

const path = { id: started.data.id };
for (;;) {
  const { data, error } = await client.GET("/exports/{id}", { params: { path } });
  if (!data) throw new Error(error.detail);
  if (data.status === "Completed") break;
  if (data.status !== "Pending" && data.status !== "Processing") throw new Error(data.error?.message);
  await new Promise((next) => setTimeout(next, 200));
}
const where = await client.GET("/exports/{id}/download", { params: { path, query: { redirect: "false" } } });
if (!where.data) throw new Error(where.error?.detail);
const file = await (await fetch(where.data.url)).text();
console.log(file.trimEnd().split("\n").length);
