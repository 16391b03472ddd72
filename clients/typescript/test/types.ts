// Compiled, not run: what the types allow and refuse.
import { ApiError, ShortlistClient, visitorId, type Slate } from "../src/index.js";

const client = new ShortlistClient({ url: "https://recs.example", key: "slp_1", user: visitorId() });
const slate: Slate = await client.recommend({ n: 10, context: { device: "tv" }, filters: { genres: { none: ["Horror"] } } }, { timeout: 500 });
const first = slate.items[0]!;
const place: [string, number] = [first.slate_id, first.position];
const shares: number[] = Object.values(first.predictions);
client.track("click", first, { value: 1 });
client.track("click", "m1", { slate_id: null });
client.track("click", (await client.similar("m1", { by: "together" }))[0]!);
const alike: number[] = (await client.similarUsers("u1", { n: 3 })).map((one) => one.score);
const wanted: string[] = (await client.audience({ items: ["m1"], n: 5, cap: 1 })).members.map((one) => String(one.user));
const sentence: string = (await client.why("m1", { user: "u1" })).sentence;
await client.changeUser("u1", { country: "NO" });
await client.changeUsers([{ user: "u1", attributes: { country: null } }]);
const added: boolean = (await client.changeItem("m9", { title: "Dune", attributes: { minutes: 155 } })).added;
await client.changeItems([{ item: "m9", retired: true }]);
await client.retireItem("m9");
const gone: string[] = (await client.eraseUser("u1")).train_again;
const held: object[] = (await client.exportUser("u1")).events;
await client.rank(["m1", { item: "m2", price: 3 }], { history: ["m3"] });
const kinds: string[] = (await client.page({ rows: 3 })).rows.map((row) => row.kind);
const { accepted }: { accepted: number } = await client.send([{ user: "u", item: "i", kind: "play" }]);

// @ts-expect-error there is no such field
await client.recommend({ number: 10 });
// @ts-expect-error a number is needed
await client.recommend({ n: "10" });
// @ts-expect-error attributes are needed
await client.changeUsers([{ user: "u1" }]);
// @ts-expect-error a client needs an address
new ShortlistClient({});
// @ts-expect-error an event needs a user
await client.send([{ item: "i", kind: "play" }]);
// @ts-expect-error a slate does not know how it was clicked
slate.items[0]!.clicked;

export const used = [alike, wanted, sentence, added, gone, held, place, shares, kinds, accepted, ApiError];
