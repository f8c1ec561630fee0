// A form that the server keeps as it is typed: it outlives a reload, another sign-in and another machine.

import { onBeforeUnmount, ref, shallowRef, watch, type Ref } from "vue";
import { answered, api, must } from "@/api/client";
import { Problem } from "@/api/problem";

const SAVE_MS = 1_200;
const AGAIN_MS = 5_000;

/** `recall` first: only what is typed after it is saved. */
export function useDraft<T extends object>(name: string, form: Ref<T>) {
  const state = ref<"" | "saved" | "elsewhere">("");
  const found = shallowRef<{ at: string } | null>(null); // when what was recalled had been saved
  const params = { path: { draft: name } };
  let revision = 0;
  let timer = 0;
  let keeps = false;

  async function recall(): Promise<Partial<T> | null> {
    try {
      const all = await must(api.GET("/api/v1/drafts")); // to ask for one that is not there would be an error in the browser's log
      if (!all.items.some((one) => one.name === name)) return null;
      const { data } = await answered(api.GET("/api/v1/drafts/{draft}", { params }));
      revision = data.revision;
      state.value = "saved";
      found.value = { at: data.saved };
      return data.body as Partial<T>;
    } catch (err) {
      if (!(err instanceof Problem)) throw err;
      return null;
    }
  }

  /** From here on every change is kept. */
  function keep(): void {
    keeps = true;
  }
  watch(form, () => keeps && later(SAVE_MS), { deep: true });

  function later(ms: number): void {
    clearTimeout(timer);
    timer = window.setTimeout(() => void save(), ms);
  }
  async function save(): Promise<void> {
    if (!keeps) return;
    try {
      const body = { body: { ...form.value } as Record<string, unknown> };
      const { data } = await answered(api.PUT("/api/v1/drafts/{draft}", { params: { ...params, header: { "If-Match": `"${revision}"` } }, body }));
      revision = data.revision;
      state.value = "saved";
    } catch (err) {
      if (!(err instanceof Problem)) throw err;
      state.value = err.status === 412 ? "elsewhere" : "";
      if (err.status !== 412) later(AGAIN_MS); // signed out, or away: again
    }
  }

  /** It was sent, or given up (作废). */
  async function drop(): Promise<void> {
    clearTimeout(timer);
    found.value = null;
    state.value = "";
    if (revision === 0) return;
    revision = 0;
    try {
      await must(api.DELETE("/api/v1/drafts/{draft}", { params }));
    } catch (err) {
      if (!(err instanceof Problem)) throw err; // gone already
    }
  }

  onBeforeUnmount(() => {
    const owed = timer !== 0 && keeps;
    clearTimeout(timer);
    if (owed && state.value !== "elsewhere") void save(); // the last words before the page was left
    keeps = false;
  });
  return { state, found, recall, keep, drop, stop: () => ((keeps = false), clearTimeout(timer)) };
}
