// What a refusal says (RFC 9457): a sentence in the officer's language, and which fields are wrong.

import { t } from "@/i18n";

export interface FieldFault {
  field: string; // dotted, as in the request's body: "areas.0"
  code: string;
  pointer: string;
  detail: string;
}

export class Problem extends Error {
  constructor(
    readonly kind: string, // the last part of `type`: "wrong-password"
    readonly title: string,
    readonly status: number,
    readonly errors: FieldFault[] = [],
    readonly facts: Record<string, unknown> = {},
    readonly retryAfterS: number | null = null,
  ) {
    super(title);
  }

  static of(body: unknown, response: Response): Problem {
    const facts = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const kind = String(facts["type"] ?? "").split("/").at(-1) || "broken";
    const title = String(facts["title"] ?? "") || t("shell.broken", { status: response.status });
    const errors = Array.isArray(facts["errors"]) ? (facts["errors"] as FieldFault[]) : [];
    const wait = Number(response.headers.get("Retry-After"));
    return new Problem(kind, title, response.status, errors, facts, wait > 0 ? wait : null);
  }

  static unreachable(_: unknown): Problem {
    return new Problem("unreachable", t("shell.unreachable"), 0);
  }

  /** What is wrong with that field or anything inside it. */
  at(field: string): string[] {
    return this.errors.filter((one) => one.field === field || one.field.startsWith(`${field}.`)).map((one) => one.detail);
  }

  /** What belongs to none of these fields and has to be said elsewhere. */
  beside(fields: readonly string[]): string[] {
    const shown = (one: FieldFault) => fields.some((field) => one.field === field || one.field.startsWith(`${field}.`));
    return this.errors.filter((one) => !shown(one)).map((one) => one.detail);
  }
}
