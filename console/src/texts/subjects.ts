/** `./wall.en.json` → `wall`. */
export function bySubject(files: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(files).map(([path, texts]) => [path.split("/").at(-1)!.split(".")[0]!, texts]));
}
