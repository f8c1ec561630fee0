// What speakers are called by the states that the server names: faults and findings, settings in which one differs, its key.
import { useI18n } from "vue-i18n";
import type { Schemas } from "@/api/client";
import { has } from "@/i18n";

const SIGNS: Record<string, string> = { online: "●", offline: "○", unknown: "?" };

export function useCareWords() {
  const { t } = useI18n();
  const presence = (word: string): string => `${SIGNS[word] ?? "?"} ${has(`speakers.state_${word}`) ? t(`speakers.state_${word}`) : word}`;
  const found = (all: readonly string[]): string =>
    all.map((word) => (has(`speakers.found.${word}`) ? t(`speakers.found.${word}`) : has(`words.why.${word}`) ? t(`words.why.${word}`) : has(`words.reason.${word}`) ? t(`words.reason.${word}`) : word)).join("、");
  const drift = (all: readonly string[]): string => all.map((word) => (has(`speakers.set.${word}`) ? t(`speakers.set.${word}`) : word)).join("、");
  const secret = (one: Schemas["CareOut"]): string =>
    one.secrets.revoked ? `✕ ${t("speakers.state_revoked")}` : one.secrets.rolling_until ? `… ${t("speakers.state_rolling")}` : t("speakers.generation", { n: one.secrets.generation });
  return { presence, found, drift, secret };
}
