import type { Schemas } from "./api/client";
import { has, t } from "./i18n";

export type Alarm = Schemas["AlarmOut"];

/** What is wrong, in a sentence: the alarm's own, or that of the condition that it stands for; a new one is named. */
export function alarmText(one: Alarm): string {
  const facts = { ...one.facts, count: one.count, ill: one.ill, place: one.place, name: one.members[0]?.name ?? "" };
  for (const key of [`alarm.kind.${one.kind}`, `words.condition.${one.kind}`]) if (has(key)) return t(key, facts);
  return t("words.condition.other", { name: one.kind });
}
