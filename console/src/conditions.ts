import { has, t } from "./i18n";
import type { Condition } from "./stores/events";

/** The sentence of a condition; one that this console doesn't know yet is named, not hidden. */
export function conditionText(one: Condition): string {
  const key = `words.condition.${one.name.split("/")[0]!}`;
  return has(key) ? t(key, one.facts) : t("words.condition.other", { name: one.name });
}

/** Why a speaker did not play it; nothing for "none", the server's own word for one that is new. */
export function reasonWord(word: string): string {
  if (!word || word === "none") return "";
  return has(`words.reason.${word}`) ? t(`words.reason.${word}`) : word;
}
