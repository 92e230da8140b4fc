// What an instrumented product does: Segment's client for Node, pointed at ingest. Prints the ids it gave as JSON.
import { Analytics } from "@segment/analytics-node";

const [host, path, writeKey, times] = process.argv.slice(2);
const analytics = new Analytics({ host, path, writeKey, flushAt: 4, maxRetries: 5, httpRequestTimeout: 5000 });
const errors = [];
const ids = [];
analytics.on("error", (error) => errors.push(String(error.reason ?? error.code ?? error)));
const said = (error, context) => ids.push(context?.event?.messageId ?? String(error));
analytics.identify({ userId: "u1", traits: { name: "Ada", email: "ada@northwind.example" }, context: { groupId: "g1" } }, said);
analytics.group({ userId: "u1", groupId: "g1", traits: { name: "Northwind" } }, said);
analytics.page({ userId: "u1", name: "Home" }, said);
for (let n = 0; n < Number(times); n += 1) {
  analytics.track({ userId: "u1", event: "Report Exported", properties: { n }, context: { groupId: "g1" } }, said);
}
await analytics.closeAndFlush({ timeout: 20000 });
console.log(JSON.stringify({ ids, errors }));
