// What lets a screen run for weeks with nobody near it: it takes a new console when the server has one, and starts anew when it has
// heard nothing for minutes although the server answers.

import { onBeforeUnmount, onMounted } from "vue";
import { useEvents } from "@/stores/events";

const LOOK_MS = 60_000;
const GIVE_UP_MS = 180_000;

/** Which build a page is: the addresses of its scripts hold their digests. */
export const buildOf = (html: string): string => [...html.matchAll(/<script[^>]*\ssrc="([^"]+)"/g)].map((one) => one[1]).join(" ");

export function useWatchman(): void {
  const events = useEvents();
  const mine = [...document.querySelectorAll<HTMLScriptElement>("script[src]")].map((one) => one.getAttribute("src")).join(" ");
  let timer = 0;

  async function look(): Promise<void> {
    let html = "";
    try {
      const answer = await fetch("/screen", { cache: "no-store", headers: { "Lianbo-Unattended": "1" } });
      if (!answer.ok) return;
      html = await answer.text();
    } catch {
      return; // the server is away: what is shown says so, and a reload would show nothing at all
    }
    const newer = buildOf(html) !== "" && buildOf(html) !== mine;
    const deaf = events.stale && Date.now() - events.heardAt > GIVE_UP_MS;
    if (newer || deaf) location.reload();
  }

  onMounted(() => (timer = window.setInterval(() => void look(), LOOK_MS)));
  onBeforeUnmount(() => clearInterval(timer));
}
