// What was said at a place without network (待发): kept in this browser until the server has answered, sent with the key that it got
// when the button was pressed, so that it counts once however often it is sent. Never shown as sent before it is.

import { computed, onBeforeUnmount, onMounted, ref, shallowRef } from "vue";
import { api, must, newKey, type Bodies } from "@/api/client";
import { Problem } from "@/api/problem";

export type Said =
  | { what: "heard"; broadcast: string; headline: string; speaker: string; name: string; body: Bodies["HeardIn"] }
  | { what: "fault"; speaker: string; name: string; body: Bodies["FaultReportIn"] };

export interface Waiting {
  key: string;
  at: number; // epoch ms of this telephone
  officer: string;
  said: Said;
  refused?: string; // the server's sentence; it is not sent again
}

const NAME = "lianbo.outbox";
const AGAIN_MS = 10_000;
const KEY_LASTS_MS = 23 * 3_600_000; // the server knows a key for 24 h; later it might count twice
const MOST = 50;

function read(): Waiting[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(NAME) ?? "[]");
    return Array.isArray(kept) ? (kept as Waiting[]).filter((one) => one?.key && one.said && one.officer) : [];
  } catch {
    return [];
  }
}

export function useOutbox(officer: () => string, tooOld: () => string) {
  const all = shallowRef<Waiting[]>(read());
  const lost = ref(false); // this browser keeps nothing: what waits is gone when the page is
  const mine = computed(() => all.value.filter((one) => one.officer === officer()));
  const lastSent = shallowRef<Waiting | null>(null);
  let timer = 0;
  let running = false;

  function keep(next: Waiting[]): void {
    all.value = next;
    try {
      localStorage.setItem(NAME, JSON.stringify(next));
      lost.value = false;
    } catch {
      lost.value = true;
    }
  }
  const replace = (key: string, by: Waiting | null) => keep(read0().flatMap((one) => (one.key !== key ? [one] : by ? [by] : [])));
  const read0 = () => (lost.value ? all.value : read());

  function say(said: Said): void {
    keep([...read0(), { key: newKey(), at: Date.now(), officer: officer(), said }].slice(-MOST));
    void flush();
  }

  async function flush(): Promise<void> {
    if (running) return;
    running = true;
    try {
      keep(read0()); // another window may have sent some
      for (const one of mine.value.filter((each) => !each.refused)) {
        if (Date.now() - one.at > KEY_LASTS_MS) {
          replace(one.key, { ...one, refused: tooOld() });
          continue;
        }
        try {
          await post(one);
          replace(one.key, null);
          lastSent.value = one;
        } catch (err) {
          if (!(err instanceof Problem)) throw err;
          const final = err.status >= 400 && err.status < 500 && ![401, 408, 429].includes(err.status) && err.kind !== "session-locked";
          if (!final) return; // no network, a busy server, a screen to be unlocked: later
          replace(one.key, { ...one, refused: err.title });
        }
      }
    } finally {
      running = false;
    }
  }

  const soon = () => void flush();
  onMounted(() => {
    timer = window.setInterval(soon, AGAIN_MS);
    addEventListener("online", soon);
    soon();
  });
  onBeforeUnmount(() => {
    clearInterval(timer);
    removeEventListener("online", soon);
  });

  return { mine, lost, lastSent, say, flush, drop: (key: string) => replace(key, null) };
}

async function post(one: Waiting): Promise<void> {
  const header = { "Idempotency-Key": one.key };
  const { said } = one;
  if (said.what === "heard") {
    const path = { broadcast: said.broadcast, speaker: said.speaker };
    await must(api.POST("/api/v1/broadcasts/{broadcast}/speakers/{speaker}/heard", { params: { path, header }, body: said.body }));
  } else {
    await must(api.POST("/api/v1/speakers/{speaker}/fault-reports", { params: { path: { speaker: said.speaker }, header }, body: said.body }));
  }
}
