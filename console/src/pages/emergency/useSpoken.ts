// While the speech of an effect is still being made, its length is a guess and nobody can listen: ask again until it is there.

import { onBeforeUnmount, watch, type Ref } from "vue";
import { type Schemas } from "@/api/client";

const AGAIN_MS = 1_500;
const MOST = 40; // a minute; then the page says that there is no speech, as it has all along

export function useSpoken(effect: Ref<Schemas["EffectOut"] | null>, ask: () => Promise<unknown>): void {
  let timer = 0;
  let asked = 0;
  const isOwed = (one: Schemas["EffectOut"] | null) => one !== null && one.estimated && one.heard === null && one.text.trim() !== "";

  watch(effect, (now, before) => {
    clearTimeout(timer);
    if (before === null || now === null) asked = 0;
    if (isOwed(now)) later();
  });
  function later(): void {
    if (asked >= MOST) return;
    asked += 1;
    timer = window.setTimeout(() => void again(), AGAIN_MS);
  }
  async function again(): Promise<void> {
    const before = effect.value;
    await ask();
    if (effect.value === before && isOwed(before)) later(); // no answer: the watch above saw nothing
  }
  onBeforeUnmount(() => clearTimeout(timer));
}
