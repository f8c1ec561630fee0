import { useI18n } from "vue-i18n";
import { useAreas } from "@/composables/useAreas";
import { has } from "@/i18n";
import { calendarDay, hourMinute } from "@/time";

/** Of what can be delegated or given to a machine; the service refuses what one does not hold oneself. */
export const ROLES = ["duty", "approver", "technician", "supervisor", "administrator", "viewer"] as const;
export const DELEGABLE = [
  "read",
  "start_routine",
  "start_notice",
  "start_emergency",
  "start_life_safety",
  "live",
  "stop",
  "all_clear",
  "preview",
  "witness",
  "approve",
  "plan_programme",
  "manage_plans",
  "manage_assets",
  "approve_asset",
  "manage_estate",
  "test_speaker",
  "read_audit",
  "export_audit",
  "drill",
  "acknowledge_alarm",
] as const;

const TIMES = ["from_ms", "until_ms", "expires_ms"];
const HIDDEN = ["revision", "grant", "id"];

export function useUserWords() {
  const { t } = useI18n();
  const { nameOf } = useAreas();
  const clock = (min: number): string => `${String(Math.floor(min / 60)).padStart(2, "0")}:${String(min % 60).padStart(2, "0")}`;
  const said = (key: string, value: string): string => {
    if (key === "role") return has(`words.role.${value}`) ? t(`words.role.${value}`) : value;
    if (key === "area") return nameOf(value);
    if (key === "verbs") return value.split(" ").map((word) => (has(`users.verb.${word}`) ? t(`users.verb.${word}`) : word)).join("、");
    if (TIMES.includes(key) && Number(value) > 0) return `${calendarDay(Number(value))} ${hourMinute(Number(value))}`;
    if (["screen", "exercise", "exercise_only", "must_drill"].includes(key)) return t(value ? "version.yes" : "version.no");
    if (key.endsWith("_min") && value) return value.split(/[ ,-]+/).map((min) => clock(Number(min))).join("–");
    return value || "–";
  };
  return {
    /** What a change would do, line by line: what it was, where that is told, and what it becomes. */
    facts: (facts: Record<string, unknown>): { key: string; was: string | null; value: string }[] =>
      Object.entries(facts)
        .filter(([key]) => !key.startsWith("was_") && !HIDDEN.includes(key))
        .map(([key, value]) => {
          const was = facts[`was_${key}`];
          const name = key.replace(/_ms$/, "");
          return { key: has(`users.fact.${name}`) ? t(`users.fact.${name}`) : key, was: typeof was === "string" && was !== value ? said(key, was) : null, value: said(key, String(value)) };
        }),
    role: (word: string): string => (has(`words.role.${word}`) ? t(`words.role.${word}`) : word),
    verb: (word: string): string => (has(`users.verb.${word}`) ? t(`users.verb.${word}`) : word),
  };
}
