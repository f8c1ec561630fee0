// The keyboard: one list of everything that a key does, shown by the help overlay. Keys can be switched off (WCAG 2.1.4).

import { onBeforeUnmount, onMounted, shallowReactive } from "vue";
import { usePrefs } from "@/stores/prefs";

export interface Shortcut {
  keys: string; // "F9", "/", "g d"
  about: string; // key of a text
  run: () => void;
}

export const shortcuts: Shortcut[] = shallowReactive([]);

const SECOND_KEY_WITHIN_MS = 1_500;
let first = { key: "", at: 0 };

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function pressed(event: KeyboardEvent): void {
  if (!usePrefs().shortcuts || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const isFunction = /^F\d+$/.test(event.key);
  if (isTyping(event.target) && !isFunction) return;
  const now = event.timeStamp;
  const pair = `${first.key} ${event.key}`;
  const found =
    (now - first.at < SECOND_KEY_WITHIN_MS && shortcuts.findLast((one) => one.keys === pair)) ||
    shortcuts.findLast((one) => one.keys === event.key);
  first = { key: event.key, at: now };
  if (!found) return;
  event.preventDefault();
  first = { key: "", at: 0 };
  found.run();
}

export function listenForKeys(): void {
  onMounted(() => addEventListener("keydown", pressed));
  onBeforeUnmount(() => removeEventListener("keydown", pressed));
}

/** While this component is there, the key does this; the newest component wins. */
export function useShortcut(keys: string, about: string, run: () => void): void {
  const one = { keys, about, run };
  onMounted(() => shortcuts.push(one));
  onBeforeUnmount(() => void shortcuts.splice(shortcuts.indexOf(one), 1));
}

/** For `aria-keyshortcuts`. */
export const ariaKeys = (keys: string): string => keys.replace(" ", " ");
