// One way to edit what others may be editing too. What is typed is never lost and nothing is overwritten unseen: when the server has
// a newer version (412), that one is fetched, what only they changed is taken over, and what both changed has to be chosen, field by
// field, before it can be saved again.
//
//   const versioned = useVersioned({ fetch: () => ..., send: (form, tag) => must(api.PUT(...)) });
//   const { form, save, problem, busy } = versioned;
//   <VersionConflict :versioned="versioned" :label="..." :show="..." />

import { computed, nextTick, ref, shallowRef, type Ref } from "vue";
import { Problem } from "@/api/problem";
import { useProblem } from "./useProblem";

/** A version as the server has it. `by`, `at`: who saved it and when, where the 412 itself does not say. */
export interface Version<Form> {
  form: Form;
  tag: string; // its ETag
  by?: string;
  at?: string | null;
}

export interface Clash {
  field: string; // dotted: "values.river"
  mine: unknown;
  theirs: unknown;
  choice: "mine" | "theirs" | null;
}

export interface Conflict {
  by: string; // empty: the server doesn't say
  at: string | null;
  taken: string[]; // fields that only they changed; the form has them now
}

type Plain = Record<string, unknown>;
const isPlain = (one: unknown): one is Plain => typeof one === "object" && one !== null && !Array.isArray(one);
const copy = <T>(one: T): T => (one === undefined ? one : (JSON.parse(JSON.stringify(one)) as T));

/** The same for the server, whatever the order of keys is; a list keeps its order. */
export function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, n) => same(one, b[n]));
  if (isPlain(a) && isPlain(b)) return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => same(a[key], b[key]));
  return Object.is(a ?? null, b ?? null);
}

const FRESH: Plain = {};

function read(form: Plain, path: readonly string[]): unknown {
  return path.reduce<unknown>((found, key) => (isPlain(found) ? found[key] : undefined), form);
}

function write(form: Plain, path: readonly string[], value: unknown): void {
  let at = form;
  for (const key of path.slice(0, -1)) {
    if (!isPlain(at[key])) at[key] = {};
    at = at[key] as Plain;
  }
  const last = path.at(-1) ?? "";
  if (value === undefined) delete at[last];
  else at[last] = copy(value);
}

/** Every field of any of them, dotted; what is not a plain object is one field. */
function fields(all: readonly unknown[], above: readonly string[] = []): string[][] {
  if (!all.some(isPlain) || all.some((one) => one !== undefined && one !== null && !isPlain(one))) return [[...above]];
  const keys = new Set(all.flatMap((one) => (isPlain(one) ? Object.keys(one) : [])));
  return [...keys].flatMap((key) => fields(all.map((one) => (isPlain(one) ? one[key] : undefined)), [...above, key]));
}

/** What two people made of one version. `merged` holds what is mine where both changed: until somebody chooses. */
export function merge<Form extends object>(base: Form, mine: Form, theirs: Form): { merged: Form; taken: string[]; clashes: Clash[] } {
  const merged = copy(mine) as Plain;
  const taken: string[] = [];
  const clashes: Clash[] = [];
  for (const path of fields([base, mine, theirs])) {
    const [was, ours, new_] = [base, mine, theirs].map((one) => read(one as Plain, path));
    if (same(was, new_) || same(ours, new_)) continue;
    if (same(was, ours)) {
      write(merged, path, new_);
      taken.push(path.join("."));
    } else clashes.push({ field: path.join("."), mine: copy(ours), theirs: copy(new_), choice: null });
  }
  return { merged: merged as Form, taken, clashes };
}

export function useVersioned<Form extends object, Saved = unknown>(how: {
  /** The newest version. @throws Problem */
  fetch: () => Promise<Version<Form>>;
  /** @throws Problem: 412 when there is a newer version than that with this tag. */
  send: (form: Form, tag: string) => Promise<Saved>;
}) {
  const { run, problem, busy, clear } = useProblem();
  const form = ref(copy(FRESH)) as Ref<Form>;
  const conflict = shallowRef<Conflict | null>(null);
  const clashes = ref<Clash[]>([]);
  const ready = ref(false);
  let base: Form;
  let tag = "";

  const open = computed(() => clashes.value.filter((one) => one.choice === null).length);
  const changed = computed(() => ready.value && !same(form.value, base));

  function begin(version: Version<Form>): void {
    base = copy(version.form);
    form.value = copy(version.form);
    tag = version.tag;
    conflict.value = null;
    clashes.value = [];
    ready.value = true;
  }

  /** Start from the newest version; what is in the form is given up. */
  const load = () => run(async () => begin(await how.fetch()));

  async function meet(late: Problem): Promise<void> {
    const newest = await how.fetch();
    const { merged, taken, clashes: found } = merge(base, form.value, newest.form);
    base = copy(newest.form);
    tag = newest.tag;
    form.value = merged;
    clashes.value = found;
    conflict.value = { by: String(late.facts["changed_by"] ?? "") || (newest.by ?? ""), at: (late.facts["changed_at"] as string | null | undefined) ?? newest.at ?? null, taken };
    await nextTick();
    document.querySelector<HTMLElement>("[data-test=version-conflict]")?.focus();
  }

  /** What was saved; undefined: refused, or there is something to choose first. */
  async function save(): Promise<Saved | undefined> {
    if (open.value > 0) {
      document.querySelector<HTMLElement>("[data-test=version-conflict] [data-open] input")?.focus();
      return undefined;
    }
    return await run(async () => {
      try {
        const saved = await how.send(copy(form.value), tag);
        conflict.value = null;
        clashes.value = [];
        return saved;
      } catch (err) {
        if (!(err instanceof Problem) || err.status !== 412) throw err;
        await meet(err); // said by VersionConflict, not as a refusal
        return undefined;
      }
    });
  }

  function choose(clash: Clash, choice: "mine" | "theirs"): void {
    const path = clash.field.split(".");
    if (clash.choice !== "theirs") clash.mine = copy(read(form.value as Plain, path)); // what was typed since
    clash.choice = choice;
    write(form.value as Plain, path, choice === "mine" ? clash.mine : clash.theirs);
  }

  return { form, begin, load, save, choose, conflict, clashes, open, changed, ready, problem, busy, clear };
}

/** What a form hands to VersionConflict. */
export type Versioned = Pick<ReturnType<typeof useVersioned<object>>, "choose" | "conflict" | "clashes" | "open">;
