// The API, typed from docs/openapi.json (`npm run types` makes schema.d.ts of it).

import createClient, { type Middleware } from "openapi-fetch";
import { language } from "@/i18n";
import { Problem } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** Called when the server does not know us any more; the shell asks for the password and leaves the page as it is. */
let signedOut: () => void = () => undefined;
export const onSignedOut = (then: () => void): void => void (signedOut = then);

const inOurLanguage: Middleware = {
  onRequest({ request }) {
    request.headers.set("Accept-Language", language());
  },
  onResponse({ request, response }) {
    const door = request.method === "POST" && new URL(request.url).pathname === "/api/v1/session";
    if (response.status === 401 && !door) signedOut();
  },
};

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });
api.use(inOurLanguage);

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
  if (!answer.response.ok) throw Problem.of(answer.error, answer.response);
  return { data: answer.data as T, response: answer.response };
}

/** A key for `Idempotency-Key`, made when a dialog opens: whatever is sent with it happens once. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(18)); // randomUUID is missing where the page comes by plain HTTP
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
