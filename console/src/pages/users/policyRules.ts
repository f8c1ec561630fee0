// The approval table, as the server reads it (broadcast/domain/approval_policy.py): an empty condition fits everything, the first rule
// that fits counts, where none fits a second person is asked, and only a pinned source starts itself. A test holds both to the same answers.
import type { Bodies } from "@/api/client";

export type Rule = Required<Bodies["RuleModel"]>;

export interface Case {
  source: Rule["sources"][number];
  level: Rule["levels"][number];
  kind: Rule["kinds"][number];
  severity: Rule["severities"][number];
  wide: boolean;
  exercise: boolean;
}

export const SOURCES = ["text", "plan", "pinned"] as const;
export const LEVELS = ["village", "township", "city", "prefecture", "province"] as const;
export const KINDS = ["routine", "notice", "emergency"] as const;
export const SEVERITIES = ["red", "orange", "yellow", "blue", "unknown"] as const;
export const DEMANDS = ["none", "second-person", "auto-start"] as const;

const allows = <T>(wanted: readonly T[], asked: T): boolean => wanted.length === 0 || wanted.includes(asked);

export function fits(rule: Rule, asked: Case): boolean {
  return (
    (rule.exercise === null || rule.exercise === asked.exercise) &&
    (rule.wide === null || rule.wide === asked.wide) &&
    allows(rule.sources, asked.source) &&
    allows(rule.levels, asked.level) &&
    allows(rule.kinds, asked.kind) &&
    allows(rule.severities, asked.severity)
  );
}

/** Which rule counts (-1: none fits) and what it demands in the end. */
export function decide(rules: readonly Rule[], asked: Case): { index: number; demand: Rule["demand"] } {
  const index = rules.findIndex((rule) => fits(rule, asked));
  const demand = rules[index]?.demand ?? "second-person";
  return { index, demand: demand === "auto-start" && asked.source !== "pinned" ? "second-person" : demand };
}

export const fresh = (): Rule => ({ demand: "second-person", exercise: null, sources: [], levels: [], kinds: [], severities: [], wide: null, within_s: 600, at_deadline: "refuse", break_glass: true });
