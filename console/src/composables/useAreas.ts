import { ref, shallowRef } from "vue";
import { api, must, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";

export type Area = Schemas["AreaOut"];

const areas = shallowRef<Area[]>([]);
const names = shallowRef(new Map<string, string>());
const asked = ref(false);

async function load(): Promise<void> {
  if (asked.value) return;
  asked.value = true;
  try {
    areas.value = (await must(api.GET("/api/v1/areas"))).items;
    names.value = new Map(areas.value.map((one) => [one.code, one.name]));
  } catch (err) {
    asked.value = false; // the next page that needs them asks again
    if (!(err instanceof Problem)) throw err;
  }
}

/** The areas in which this officer may act, asked for once a window. */
export function useAreas() {
  void load();
  return { areas, nameOf: (code: string): string => names.value.get(code) ?? code };
}
