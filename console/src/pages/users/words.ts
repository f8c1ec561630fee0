import { useI18n } from "vue-i18n";
import { has } from "@/i18n";

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

export function useUserWords() {
  const { t } = useI18n();
  return {
    role: (word: string): string => (has(`words.role.${word}`) ? t(`words.role.${word}`) : word),
    verb: (word: string): string => (has(`users.verb.${word}`) ? t(`users.verb.${word}`) : word),
  };
}
