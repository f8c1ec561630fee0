// Passkeys (通行密钥) in the browser: WebAuthn's JSON of the server in, its JSON out.

import { api, must, type Schemas } from "./client";

/** Browsers offer them only to a page that came over TLS, or from their own machine, and only under a name. */
export const passkeysWork = (): boolean =>
  typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential && !/^[\d.]+$|^\[/.test(location.hostname);

/** The person closed the browser's question, or it has none: no fault of anybody's. */
export const wasLeft = (err: unknown): boolean => err instanceof DOMException && ["NotAllowedError", "AbortError"].includes(err.name);

const told = (credential: Credential | null): Record<string, unknown> => {
  if (!(credential instanceof PublicKeyCredential)) throw new DOMException("no credential", "NotAllowedError");
  return credential.toJSON() as unknown as Record<string, unknown>;
};

/** Make one for whoever is signed in and has just given the password. */
export async function makePasskey(title: string, password: string): Promise<Schemas["PasskeyOut"]> {
  const { options } = await must(api.POST("/api/v1/me/passkeys/options", { body: { password } }));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
  const credential = told(await navigator.credentials.create({ publicKey }));
  return must(api.POST("/api/v1/me/passkeys", { body: { title, credential } }));
}

/** Sign in with one; whose it is, it says itself. */
export async function showPasskey(exercise: boolean): Promise<void> {
  const { options } = await must(api.POST("/api/v1/session/passkey/options"));
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  const credential = told(await navigator.credentials.get({ publicKey }));
  await must(api.POST("/api/v1/session/passkey", { body: { credential, exercise } }));
}
