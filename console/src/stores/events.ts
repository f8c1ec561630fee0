// The one stream of this window: snapshot, change, state, tick (broadcast/web/events.py). Every page looks at this store.

import { defineStore } from "pinia";
import { computed, ref, shallowRef, triggerRef } from "vue";
import { apartMs, type Schemas } from "@/api/client";
import { useSession } from "./session";
import { WallModel, type Panel } from "./wallModel";

export type Broadcast = Schemas["BroadcastOut"];
export type Missing = Schemas["MissingOut"];
export type Counts = Record<string, number>;

export interface OnAir {
  id: string;
  headline: string;
  exercise: boolean;
  routine: boolean;
  kind?: string;
  severity?: string;
  meant?: number;
  answered?: number;
  sounding?: number; // by their own reports
  begins: number; // epoch ms
  ends: number;
  pending: boolean;
}

export interface Condition {
  name: string;
  since: number;
  facts: Record<string, string | number>;
}

export interface State {
  on_air: OnAir[];
  presence: { online: number; offline: number; unknown: number };
  conditions: Condition[];
  wire_up: boolean;
  approvals?: { waiting: number; to_decide: number; to_review: number };
  drills?: { id: string; title: string; ends: number }[];
  alarms?: { sounding: number; open: number; rank: "urgent" | "high" | "low" | null; newest: string };
}

interface Sums {
  counts: Counts;
  townships: Record<string, Counts>;
  missing: Missing[];
  missing_total: number;
  broadcast?: Broadcast | null;
}

export type WallListener = { whole(): void; places(changed: number[]): void };

export const STALE_AFTER_MS = 20_000; // the server ticks every 10 s
const SLEPT_MS = 30_000;
const LOOK_MS = 1_000;
const AGAIN_MS = 3_000;

export const useEvents = defineStore("events", () => {
  const session = useSession();
  const model = new WallModel();
  const listeners = new Set<WallListener>();

  const state = shallowRef<State | null>(null);
  const broadcast = shallowRef<Broadcast | null>(null);
  const counts = shallowRef<Counts>({});
  const townships = shallowRef<Record<string, Counts>>({});
  const missing = shallowRef<Missing[]>([]);
  const missingTotal = ref(0);
  const panels = shallowRef<Panel[]>([]);

  const heardAt = ref(0); // epoch ms of the last event; 0: none yet
  const now = ref(Date.now()); // this machine's, moves every second
  const offsetMs = ref<number | null>(null); // the server's clock minus ours, by its stream
  const stale = ref(false);
  const followed = ref(""); // the broadcast that was asked for; empty: the newest live one

  let source: EventSource | null = null;
  let timer = 0;
  let retry = 0;
  let heardMono = 0;
  let users = 0;

  function heard(): void {
    heardAt.value = Date.now();
    heardMono = performance.now();
    stale.value = false;
  }

  function take(sums: Sums): void {
    counts.value = sums.counts;
    townships.value = sums.townships;
    missing.value = sums.missing;
    missingTotal.value = sums.missing_total;
    if ("broadcast" in sums) broadcast.value = sums.broadcast ?? null;
  }

  function open(): void {
    close();
    const query = followed.value ? `?broadcast=${encodeURIComponent(followed.value)}` : "";
    const stream = new EventSource(`/api/v1/events${query}`);
    source = stream;
    const on = <T>(name: string, then: (body: T) => void) =>
      stream.addEventListener(name, (event) => {
        if (stream !== source) return; // a stream that was left
        heard();
        then(JSON.parse((event as MessageEvent<string>).data) as T);
      });
    on<Sums & { cells: [string, string, string][]; panels: Panel[] }>("snapshot", (body) => {
      model.snapshot(body.cells, body.panels);
      panels.value = body.panels;
      take(body);
      for (const one of listeners) one.whole();
    });
    on<Sums & { cells: [number, string][] }>("change", (body) => {
      const changed = model.change(body.cells);
      take(body);
      if (changed.length) for (const one of listeners) one.places(changed);
    });
    on<State>("state", (body) => (state.value = body));
    on<{ now: string }>("tick", (body) => (offsetMs.value = Date.parse(body.now) - Date.now()));
    on("signed-out", () => {
      close();
      session.interrupted = true;
    });
    stream.addEventListener("error", () => {
      if (stream !== source || stream.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
      close();
      void recover();
    });
  }

  /** The server said no to the stream: perhaps it doesn't know us any more, perhaps it is too busy. */
  async function recover(): Promise<void> {
    try {
      const answer = await fetch("/api/v1/session", { headers: { Accept: "application/json" } });
      if (answer.status === 401) {
        session.interrupted = true;
        return;
      }
      if (followed.value && answer.ok) followed.value = ""; // that broadcast is not ours to see
    } catch {
      // away; try again
    }
    clearTimeout(retry);
    retry = window.setTimeout(() => users > 0 && source === null && !session.interrupted && open(), AGAIN_MS);
  }

  function close(): void {
    clearTimeout(retry);
    source?.close();
    source = null;
  }

  function look(): void {
    const before = now.value;
    now.value = Date.now();
    if (heardAt.value === 0) return;
    const silent = Math.max(performance.now() - heardMono, now.value - heardAt.value);
    if (silent > STALE_AFTER_MS) stale.value = true;
    if (now.value - before > SLEPT_MS && source !== null) open(); // the machine slept: a new stream starts with the whole
  }

  /** Follow from here on; call what it returns when done. Any number of pages share the one stream. */
  function use(): () => void {
    users += 1;
    if (users === 1) {
      timer = window.setInterval(look, LOOK_MS);
      open();
    }
    return () => {
      users -= 1;
      if (users > 0) return;
      clearInterval(timer);
      close();
      heardAt.value = 0;
      stale.value = false;
    };
  }

  /** Look at that broadcast; empty for the newest live one. */
  function follow(id: string): void {
    if (followed.value === id) return;
    followed.value = id;
    if (users > 0) open();
  }

  /** Start again with a whole snapshot, e.g. after a new sign-in. */
  function restart(): void {
    if (users > 0) open();
  }

  function listen(one: WallListener): () => void {
    listeners.add(one);
    if (model.places.length) one.whole();
    return () => listeners.delete(one);
  }

  const serverNow = computed(() => now.value + (offsetMs.value ?? apartMs.value));
  const onAir = computed(() => state.value?.on_air ?? []);

  return {
    model,
    state,
    broadcast,
    counts,
    townships,
    missing,
    missingTotal,
    panels,
    heardAt,
    now,
    serverNow,
    stale,
    followed,
    onAir,
    /** What a person started by hand and has to end by hand. */
    alerts: computed(() => onAir.value.filter((one) => !one.routine && (one.kind ?? "emergency") !== "routine")),
    use,
    follow,
    restart,
    listen,
    /** For pages that changed `model` themselves, as a replay does. */
    touch: () => triggerRef(counts),
  };
});
