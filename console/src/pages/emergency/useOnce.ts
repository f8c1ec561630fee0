// One act, one key. The key is made when the dialog opens and kept, with what was sent, until the server has answered: whoever sends
// again after a lost answer, or a reload, sends the very same, and the server knows that it has done it.

import { shallowRef } from "vue";
import { api, must, newKey, type Bodies, type BodyOf, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";

export type Act =
  | { how: "plan"; plan: string; body: BodyOf<"/api/v1/plans/{plan}/start"> }
  | { how: "start"; body: Bodies["NewBroadcast"] }
  | { how: "update"; broadcast: string; body: Bodies["NewBroadcast"] }
  | { how: "correct"; broadcast: string; body: Bodies["Correction"] }
  | { how: "clear"; broadcast: string; body: Bodies["AllClear"] };

interface Kept {
  key: string;
  at: number; // epoch ms of this machine
  sent: Act | null; // null: the dialog is open, nothing was sent
}

const KEEPS_MS = 23 * 3_600_000; // the server keeps a key for 24 h

function read(name: string): Kept | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(name) ?? "null") as Kept | null;
    return kept && kept.key && Date.now() - kept.at < KEEPS_MS ? kept : null;
  } catch {
    return null;
  }
}

/** Whether what was sent was an exercise; an ending is one when what it ends was. */
export const isExercise = (act: Act): boolean => "exercise" in act.body && act.body.exercise === true;

export function useOnce(slot: string) {
  const name = `lianbo.once.${slot}`;
  const kept = shallowRef<Kept | null>(read(name));
  const keep = (one: Kept | null): void => {
    kept.value = one;
    if (one) sessionStorage.setItem(name, JSON.stringify(one));
    else sessionStorage.removeItem(name);
  };

  /** A dialog opens: a new key, unless the answer to the last act is still owed. */
  function open(): void {
    if (kept.value?.sent) return;
    keep({ key: newKey(), at: Date.now(), sent: null });
  }

  /** @throws Problem. Only an answer of the server ends the key; silence and a broken server don't. */
  async function send(act: Act): Promise<Schemas["Done"]> {
    const mine: Kept = kept.value?.sent ? kept.value : { key: kept.value?.key ?? newKey(), at: Date.now(), sent: act };
    keep(mine);
    try {
      const done = await must<Schemas["Done"]>(post(mine.sent!, mine.key));
      keep(null);
      return done;
    } catch (err) {
      if (err instanceof Problem && err.status >= 400 && err.status < 500) keep({ key: newKey(), at: Date.now(), sent: null });
      throw err;
    }
  }

  return { kept, open, send, forget: () => keep(null) };
}

function post(act: Act, key: string): Promise<{ data?: Schemas["Done"]; error?: unknown; response: Response }> {
  const header = { "Idempotency-Key": key };
  if (act.how === "plan") return api.POST("/api/v1/plans/{plan}/start", { params: { path: { plan: act.plan }, header }, body: act.body });
  if (act.how === "start") return api.POST("/api/v1/broadcasts", { params: { header }, body: act.body });
  const params = { path: { broadcast: act.broadcast }, header };
  if (act.how === "update") return api.POST("/api/v1/broadcasts/{broadcast}/update", { params, body: act.body });
  if (act.how === "correct") return api.POST("/api/v1/broadcasts/{broadcast}/correct", { params, body: act.body });
  return api.POST("/api/v1/broadcasts/{broadcast}/all-clear", { params, body: act.body });
}
