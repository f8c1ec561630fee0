import { has, t } from "./i18n";
import type { Condition } from "./stores/events";

/** The sentence of a condition; one that this console doesn't know yet is named, not hidden. */
export function conditionText(one: Condition): string {
  const key = `words.condition.${one.name.split("/")[0]!}`;
  return has(key) ? t(key, one.facts) : t("words.condition.other", { name: one.name });
}
