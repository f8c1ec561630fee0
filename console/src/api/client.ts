// The API, typed from docs/openapi.json (`npm run types` makes schema.d.ts of it).

import { ref } from "vue";
import createClient, { type Middleware } from "openapi-fetch";
import { language } from "@/i18n";
import { Problem } from "./problem";
import type { components, paths } from "./schema";

/** As openapi-fetch types an answer: it makes a list of a pair. */
type Answered<T> = T extends (infer One)[] ? Answered<One>[] : T extends object ? { [K in keyof T]: Answered<T[K]> } : T;
/** What comes: `Schemas["BroadcastOut"]`. */
export type Schemas = { [K in keyof components["schemas"]]: Answered<components["schemas"][K]> };
/** What is sent: `Bodies["NewBroadcast"]`. */
export type Bodies = components["schemas"];
/** What is sent to that address; for a body whose name another part of the API has too. */
export type BodyOf<Path extends keyof paths> = paths[Path] extends { post: { requestBody: { content: { "application/json": infer Body } } } } ? Body : never;

/** Hears of every refusal, besides whoever asked: of a session that ended, a locked screen, a sign-in that is too old. */
let refused: (problem: Problem) => void = () => undefined;
export const onRefused = (then: (problem: Problem) => void): void => void (refused = then);

/** For what a page asks by itself: the server doesn't take it for a person who is there. */
export const UNATTENDED = { headers: { "Lianbo-Unattended": "1" } };

const inOurLanguage: Middleware = {
  onRequest({ request }) {
    request.headers.set("Accept-Language", language());
  },
};

/** The server's clock minus ours, ms, to the second, by the `Date` of its newest answer: until the stream of events knows better. */
export const apartMs = ref(0);
const learnTheTime: Middleware = {
  onResponse({ response }) {
    const said = Date.parse(response.headers.get("Date") ?? "");
    if (!Number.isNaN(said)) apartMs.value = Math.abs(said - Date.now()) < 2_000 ? 0 : said - Date.now();
  },
};

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });
api.use(inOurLanguage, learnTheTime);

/** What the answer holds.
 * @throws Problem when the server refused, or did not answer. */
export async function must<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  return (await answered(call)).data;
}

/** The same with the whole response, for its ETag or Location. */
export async function answered<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<{ data: T; response: Response }> {
  let answer;
  try {
    answer = await call;
  } catch (cause) {
    throw Problem.unreachable(cause);
  }
  if (!answer.response.ok) {
    const problem = Problem.of(answer.error, answer.response);
    refused(problem);
    throw problem;
  }
  return { data: answer.data as T, response: answer.response };
}

/** A key for `Idempotency-Key`, made when a dialog opens: whatever is sent with it happens once. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(18)); // randomUUID is missing where the page comes by plain HTTP
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
