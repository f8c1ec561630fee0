// The states of a place on the wall, worst first, as in broadcast/service/wall.py; shape first, then colour.

export const LOOKS = [
  "failed",
  "refused",
  "missed",
  "unreached",
  "unfinished",
  "offline",
  "unknown",
  "partly",
  "expected",
  "waiting",
  "received",
  "interrupted",
  "sounding",
  "stopped",
  "done",
  "idle",
  "outside",
  "none",
] as const;

export type Look = (typeof LOOKS)[number];

export const SHAPES: Record<Look, string> = {
  failed: "✕",
  refused: "／",
  missed: "－",
  unreached: "！",
  unfinished: "～",
  offline: "○",
  unknown: "?",
  partly: "◐",
  expected: "→",
  waiting: "…",
  received: "✓",
  interrupted: "‖",
  sounding: "♪",
  stopped: "□",
  done: "■",
  idle: "·",
  outside: "",
  none: "",
};

const INDEX = new Map<string, number>(LOOKS.map((look, index) => [look, index]));
const UNKNOWN = INDEX.get("unknown")!;

/** A look that a newer server has and we don't is unknown, never fine. */
export const lookIndex = (look: string): number => INDEX.get(look) ?? UNKNOWN;
export const lookAt = (index: number): Look => LOOKS[index] ?? "unknown";

/** Those that somebody has to look after. */
export const TROUBLE: readonly Look[] = LOOKS.slice(0, LOOKS.indexOf("partly") + 1);
/** Those with a word that it was heard of there. */
export const ANSWERED: readonly Look[] = ["received", "waiting", "interrupted", "sounding", "stopped", "done"];
