import { computed, ref, shallowRef } from "vue";
import { Problem } from "@/api/problem";

/** The state of one form or act: busy, done, or refused and why.
 *
 *   const { run, problem, busy, at } = useProblem();
 *   const ok = await run(() => must(api.POST(...)));   // undefined when refused; `problem` says why
 *   <FieldErrors :problem="problem" field="text" />
 */
export function useProblem() {
  const problem = shallowRef<Problem | null>(null);
  const busy = ref(false);

  async function run<T>(act: () => Promise<T>): Promise<T | undefined> {
    if (busy.value) return undefined; // a second click
    busy.value = true;
    problem.value = null;
    try {
      return await act();
    } catch (err) {
      if (!(err instanceof Problem)) throw err;
      problem.value = err;
      return undefined;
    } finally {
      busy.value = false;
    }
  }

  return {
    run,
    problem,
    busy: computed(() => busy.value),
    at: (field: string) => problem.value?.at(field) ?? [],
    clear: () => (problem.value = null),
  };
}
